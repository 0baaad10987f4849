-- since when the first ready message of many lanes ($2) of a queue is ready
select min(least((
    select m.created from forebay.message m
    where m.state = 1 and not m.back and m.queue = $1 and m.lane = l.lane order by m.priority desc, m.seq limit 1
), (
    select coalesce(m.due, m.created) from forebay.message m
    where m.state = 1 and m.back and m.queue = $1 and m.lane = l.lane order by coalesce(m.due, m.created) limit 1
)))
from unnest($2::text[]) as l (lane)
