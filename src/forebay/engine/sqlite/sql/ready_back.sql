-- as ready.sql, of a lane in which some come back: both in one order
select seq, id, queue, task, body, fence + 1, attempt + 1, lost, created, expires, priority, lane, key, headers, unknown
from message where seq in (
    select seq from (
        select seq, priority from message indexed by message_fresh
        where state = 1 and due is null and queue = ?2 and lane = ?3 and (expires is null or expires > ?1)
        union all
        select seq, priority from message indexed by message_back
        where state = 1 and due is not null and queue = ?2 and lane = ?3 and (expires is null or expires > ?1)
        order by 2 desc, 1 limit ?4
    )
)
