-- since when the oldest ready message of each queue is ready; ?1 are the queues
-- priority by priority in each lane, only the foremost are looked at: one that comes back from a retry stands before
-- older ones, so that the very first alone would not tell
with recursive level (queue, lane, priority) as (
    select lane.queue, lane.lane, (
        select priority from message indexed by message_ready
        where state = 1 and message.queue = lane.queue and message.lane = lane.lane order by priority desc limit 1
    )
    from carray(?1) as name cross join lane on lane.queue = name.value
    union all
    select queue, lane, (
        select priority from message indexed by message_ready
        where state = 1 and message.queue = level.queue and message.lane = level.lane and message.priority < level.priority
        order by priority desc limit 1
    )
    from level where priority is not null
)
select queue, min((
    select min(ready) from (
        select coalesce(due, created) as ready from message indexed by message_ready
        where state = 1 and message.queue = level.queue and message.lane = level.lane and message.priority = level.priority
        order by seq limit 32
    )
))
from level where priority is not null group by queue
