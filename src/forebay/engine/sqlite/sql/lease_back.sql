-- as lease.sql, of a lane in which some come back: both in one order
update message
set state = 2, worker = ?1, fence = fence + 1, attempt = attempt + 1, leased = ?2
where seq in (
    select seq from (
        select seq, priority from message indexed by message_fresh
        where state = 1 and due is null and queue = ?3 and lane = ?4 and (expires is null or expires > ?2)
        union all
        select seq, priority from message indexed by message_back
        where state = 1 and due is not null and queue = ?3 and lane = ?4 and (expires is null or expires > ?2)
        order by 2 desc, 1 limit ?5
    )
)
returning seq, id, queue, task, body, fence, attempt, lost, created, expires, priority, lane, key, headers, unknown
