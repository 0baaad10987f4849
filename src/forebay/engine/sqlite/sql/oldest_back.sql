-- the same of those that come back, of each queue ?1: the index knows it
select cast(name.value as text), (
    select due from message indexed by message_age
    where state = 1 and due is not null and message.queue = cast(name.value as text) order by due limit 1
)
from carray(?1) as name
