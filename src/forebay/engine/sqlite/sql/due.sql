-- is anything due at ?1: a message, or a gate that opens by itself?
select 1 from message indexed by message_due where state = 0 and due <= ?1
union all
select 1 from closed indexed by closed_until where until is not null and until <= ?1
limit 1
