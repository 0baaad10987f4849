-- what a lease takes before $1 of its line, up to $2; its line is what its queue tells apart at $3, sorted or not. Each count
-- is a range of an index, so that it costs what it counts.
with me as materialized (
    select m.*, coalesce(m.home, m.lane) as mine, exists (select from forebay.bound b where b.queue in ('', m.queue)) as apart
    from forebay.message m where m.id = $1 and m.state = 1
), line as materialized (
    select q.told, forebay.place(me.mine, me.task, me.key, q.told) as place
    from me, lateral (
        select forebay.told(me.queue, coalesce($3::float8, extract(epoch from clock_timestamp())::float8)) as told offset 0
    ) as q where me.apart
)
select case when not me.apart then (
    select count(*) from (
        select 1 from forebay.message o where o.state = 1 and not o.back and o.queue = me.queue and o.lane = me.lane
            and o.priority > me.priority limit $2::int
    ) as of_1
) + (
    select count(*) from (
        select 1 from forebay.message o where o.state = 1 and not o.back and o.queue = me.queue and o.lane = me.lane
            and o.priority = me.priority and o.seq < me.seq limit $2::int
    ) as of_2
) + (
    select count(*) from (
        select 1 from forebay.message o where o.state = 1 and o.back and o.queue = me.queue and o.lane = me.lane
            and o.priority > me.priority limit $2::int
    ) as of_3
) + (
    select count(*) from (
        select 1 from forebay.message o where o.state = 1 and o.back and o.queue = me.queue and o.lane = me.lane
            and o.priority = me.priority and o.seq < me.seq limit $2::int
    ) as of_4
) when strpos((select place from line), '|key:') > 0 then (
    select count(*) from (
        select 1 from line, forebay.message o where o.state = 1 and o.key = me.key and o.queue = me.queue
            and forebay.place(coalesce(o.home, o.lane), o.task, o.key, line.told) = line.place
            and (coalesce(o.holds, false), o.priority, -o.seq) > (coalesce(me.holds, false), me.priority, -me.seq)
        limit $2::int
    ) as of_key
) else (
    select count(*) from (
        select 1 from line, forebay.message o where o.state = 1 and o.queue = me.queue and o.lane in (me.lane, line.place)
            and o.priority >= me.priority and (o.priority > me.priority or o.seq < me.seq)
            and forebay.place(coalesce(o.home, o.lane), o.task, o.key, line.told) = line.place
        limit $2::int
    ) as of_lane
) end from me
