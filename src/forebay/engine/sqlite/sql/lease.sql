-- of a lane in which nothing comes back; the attempt and the fence grow in the same step
-- indexes are named because statistics age
update message
set state = 2, worker = ?1, fence = fence + 1, attempt = attempt + 1, leased = ?2
where seq in (
    select seq from message indexed by message_fresh
    where state = 1 and due is null and queue = ?3 and lane = ?4 and (expires is null or expires > ?2)
    order by priority desc, seq limit ?5
)
returning seq, id, queue, task, body, fence, attempt, lost, created, expires, priority, lane, key, headers, unknown
