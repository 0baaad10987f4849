-- is anything due at ?1?
select 1 from message indexed by message_due where state = 0 and due <= ?1 limit 1
