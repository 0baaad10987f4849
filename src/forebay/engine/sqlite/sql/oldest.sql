-- since when the oldest ready message of each queue ?1 is ready: of those that come back the index knows it,
-- of the others it is the first of each lane and priority, or close to it if somebody has set the date meanwhile
with recursive level (queue, lane, priority) as (
    select lane.queue, lane.lane, (
        select priority from message indexed by message_fresh
        where state = 1 and due is null and message.queue = lane.queue and message.lane = lane.lane
        order by priority desc limit 1
    )
    from carray(?1) as name cross join lane on lane.queue = cast(name.value as text)
    union all
    select queue, lane, (
        select priority from message indexed by message_fresh
        where state = 1 and due is null and message.queue = level.queue and message.lane = level.lane
            and message.priority < level.priority
        order by priority desc limit 1
    )
    from level where priority is not null
), since (queue, at) as (
    select queue, (
        select min(created) from (
            select created from message indexed by message_fresh
            where state = 1 and due is null and message.queue = level.queue and message.lane = level.lane
                and message.priority = level.priority
            order by seq limit 32
        )
    )
    from level where priority is not null
    union all
    select cast(name.value as text), (
        select due from message indexed by message_age
        where state = 1 and due is not null and message.queue = cast(name.value as text) order by due limit 1
    )
    from carray(?1) as name
)
select queue, min(at) from since where at is not null group by queue
