-- of the foremost ready messages at the highest priority below a given one, in one lane: since when the oldest is
-- ready; one that comes back from a retry stands before older ones, so that the very first alone would not tell
select priority, min(ready) from (
    select priority, coalesce(due, created) as ready from message indexed by message_ready
    where state = 1 and queue = ?1 and lane = ?2 and priority = (
        select priority from message indexed by message_ready
        where state = 1 and queue = ?1 and lane = ?2 and priority < ?3 order by priority desc limit 1
    )
    order by seq limit 32
)
group by priority
