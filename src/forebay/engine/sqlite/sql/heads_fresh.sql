-- as heads.sql, of a queue in which nothing comes back
with asked (lane) as (select cast(value as text) from carray(?3))
select message.seq, message.lane, message.task, message.key, coalesce(message.home, message.lane), iif(message.cost between 0.0 and 1e9, message.cost, 1.0)
from asked cross join message on message.seq = (
    select seq from message indexed by message_fresh
    where state = 1 and due is null and queue = ?1 and lane = asked.lane and (expires is null or expires > ?2)
    order by priority desc, seq limit 1
)
