-- what runs under the leases ?1 (rows.leases), by what tells their lanes
select message.queue, coalesce(message.home, message.lane), message.task, message.key, count(*)
from carray(?1) as lease cross join message on message.seq = lease.value >> 20 where message.state = 2 group by 1, 2, 3, 4
