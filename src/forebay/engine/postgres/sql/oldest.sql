-- since when the oldest ready message of each lane ($1 queues, $2 lanes) is ready: of those that come back the index
-- knows it, of the others it is the first of each priority, or close to it
with recursive level (queue, lane, priority) as (
    select l.queue, l.lane, (
        select m.priority from forebay.message m
        where m.state = 1 and not m.back and m.queue = l.queue and m.lane = l.lane order by m.priority desc limit 1
    )
    from unnest($1::text[], $2::text[]) as l (queue, lane)
    union all
    select level.queue, level.lane, (
        select m.priority from forebay.message m
        where m.state = 1 and not m.back and m.queue = level.queue and m.lane = level.lane
            and m.priority < level.priority order by m.priority desc limit 1
    )
    from level where level.priority is not null
), since (queue, lane, at) as (
    select level.queue, level.lane, (
        select min(f.created) from (
            (select m.created from forebay.message m
            where m.state = 1 and not m.back and m.queue = level.queue and m.lane = level.lane
                and m.priority = level.priority and m.seq > 0
            order by m.seq limit 32)
            union all  -- numbers below zero are counted down
            (select m.created from forebay.message m
            where m.state = 1 and not m.back and m.queue = level.queue and m.lane = level.lane
                and m.priority = level.priority and m.seq < 0
            order by m.seq desc limit 32)
        ) as f
    )
    from level where level.priority is not null
    union all
    select l.queue, l.lane, (
        select coalesce(m.due, m.created) from forebay.message m
        where m.state = 1 and m.back and m.queue = l.queue and m.lane = l.lane order by coalesce(m.due, m.created) limit 1
    )
    from unnest($1::text[], $2::text[]) as l (queue, lane)
)
select queue, lane, min(at) from since where at is not null group by 1, 2
