-- what may be leased of a lane in which nothing comes back, as it will be once it is (lease.sql)
-- indexes are named because statistics age
select seq, id, queue, task, body, fence + 1, attempt + 1, lost, created, expires, priority, lane, key, headers, unknown
from message indexed by message_fresh
where state = 1 and due is null and queue = ?2 and lane = ?3 and (expires is null or expires > ?1)
order by priority desc, seq limit ?4
