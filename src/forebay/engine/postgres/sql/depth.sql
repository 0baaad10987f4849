-- tallies, with what has moved since they were added up: of each queue (lane null), and ready and running of each lane that
-- has some, with whether it is closed
with closed as materialized (
    select c.queue, c.what from forebay.closed c where c.until is null or c.until > $2::float8
)
select queue, case when grouping(lane) = 0 then lane end, greatest(0, sum(ready))::bigint, greatest(0, sum(running))::bigint,
    grouping(lane) = 0 and exists (
        select from closed c where c.queue = counted.queue and c.what in ('', 'lane:' || counted.lane)
    ),
    case when grouping(lane) = 1 then array[
        sum(scheduled), sum(dead), sum(published), sum(done), sum(retried), sum(died), sum(cancelled), sum(expired),
        sum(discarded), sum(bytes)
    ]::bigint[] end,
    case when grouping(lane) = 1 then sum(seconds)::float8 end
from (select * from forebay.tally union all select * from forebay.delta) as counted
where $1::text[] is null or queue = any ($1::text[])
group by grouping sets ((queue), (queue, lane))
having grouping(lane) = 1 or sum(ready) > 0 or sum(running) > 0
