-- since when the oldest ready message of each lane of the queues ?1 is ready, among those that wait for the first time:
-- it is the first of its priority, or close to it if somebody has set the date meanwhile; the last of those that were
-- counted down
with recursive level (queue, lane, priority) as (
    select lane.queue, lane.lane, (
        select priority from message indexed by message_fresh
        where state = 1 and due is null and message.queue = lane.queue and message.lane = lane.lane
        order by priority desc limit 1
    )
    from carray(?1) as name cross join lane on lane.queue = cast(name.value as text)
    where lane.n > 0 or lane.lane = ''
    union all
    select queue, lane, (
        select priority from message indexed by message_fresh
        where state = 1 and due is null and message.queue = level.queue and message.lane = level.lane
            and message.priority < level.priority
        order by priority desc limit 1
    )
    from level where priority is not null
)
select queue, lane, min((
    select min(created) from (
        select created from (
            select created from message indexed by message_fresh
            where state = 1 and due is null and message.queue = level.queue and message.lane = level.lane
                and message.priority = level.priority and message.seq > 0
            order by seq limit 32
        )
        union all select created from (
            select created from message indexed by message_fresh
            where state = 1 and due is null and message.queue = level.queue and message.lane = level.lane
                and message.priority = level.priority and message.seq < 0
            order by seq desc limit 32
        )
    )
))
from level where priority is not null group by queue, lane
