-- how many messages a worker holds
select count(*) from message indexed by message_running where state = 2 and worker = ?1
