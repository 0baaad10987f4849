-- what the first ready one of each of these lanes ($2) of a queue was put into: in an ordered queue a key's may be of any
select line.lane, head.mine from unnest($2::text[]) as line (lane), lateral (
    select mine from (
        (
            select coalesce(m.home, m.lane) as mine, m.priority, m.seq from forebay.message m
            where m.state = 1 and not m.back and m.queue = $1 and m.lane = line.lane order by m.priority desc, m.seq limit 1
        )
        union all
        (
            select coalesce(m.home, m.lane), m.priority, m.seq from forebay.message m
            where m.state = 1 and m.back and m.queue = $1 and m.lane = line.lane order by m.priority desc, m.seq limit 1
        )
    ) as first order by priority desc, seq limit 1
) as head
