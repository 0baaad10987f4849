-- what is ready in a queue, looked at one by one: by the lane where it waits and whether a gate holds it, how many, and
-- since when the oldest is; where keys are in order, those behind one that is held are held as well
select lane, held, count(*), min(since) from (
    select e.lane, e.since, case when (e.told).ordered and e.key is not null
        then e.shut or first_value(e.shut) over (partition by e.key order by e.holds desc, e.priority desc, e.seq)
        else e.shut end as held
    from (
        select q.told, m.key, m.priority, m.seq, coalesce(m.holds, false) as holds,
            forebay.place(coalesce(m.home, m.lane), m.task, m.key, q.told) as lane,
            forebay.shut(m.queue, coalesce(m.home, m.lane), m.task, m.key, $2::float8) as shut,
            case when m.back then coalesce(m.due, m.created) else m.created end as since
        from (select forebay.told($1, $2::float8) as told offset 0) as q, forebay.message m
        where m.state = 1 and m.queue = $1
    ) as e
) as each group by 1, 2
