-- tallies, with what has moved since they were added up
select queue, lane, sum(ready), sum(scheduled), sum(running), sum(dead), sum(published), sum(done), sum(retried), sum(died),
    sum(cancelled), sum(expired), sum(discarded), sum(seconds), forebay.shut(queue, lane, $2::float8)
from (select * from forebay.tally union all select * from forebay.delta) as counted
where $1::text[] is null or queue = any ($1::text[])
group by queue, lane
