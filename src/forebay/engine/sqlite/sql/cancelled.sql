select id from message indexed by message_running where state = 2 and worker = ?1 and cancel = 1
