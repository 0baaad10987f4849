-- deltas into tallies; whoever comes second finds that somebody is at it, and leaves it to them
-- of a lane of what is told apart, only what stands in it is told of itself: it goes away when it is empty
with mine as materialized (
    select pg_try_advisory_xact_lock(hashtextextended('forebay.fold', $1::bigint)) as lock
), gone as materialized (
    delete from forebay.delta where (select lock from mine) returning *
), sums as (
    select queue, lane, coalesce(sum(ready), 0) as ready, coalesce(sum(scheduled), 0) as scheduled,
        coalesce(sum(running), 0) as running, coalesce(sum(dead), 0) as dead, coalesce(sum(published), 0) as published,
        coalesce(sum(done), 0) as done, coalesce(sum(retried), 0) as retried, coalesce(sum(died), 0) as died,
        coalesce(sum(cancelled), 0) as cancelled, coalesce(sum(expired), 0) as expired,
        coalesce(sum(discarded), 0) as discarded, coalesce(sum(seconds), 0) as seconds,
        coalesce(sum(bytes), 0) as bytes
    from gone group by queue, lane
), told as (
    select queue, lane, ready, scheduled, running, 0 as dead, 0 as published, 0 as done, 0 as retried, 0 as died,
        0 as cancelled, 0 as expired, 0 as discarded, 0 as seconds, 0 as bytes
    from sums where strpos(lane, '|') > 0
    union all
    select queue, split_part(lane, '|', 1), case when strpos(lane, '|') = 0 then ready else 0 end,
        case when strpos(lane, '|') = 0 then scheduled else 0 end, case when strpos(lane, '|') = 0 then running else 0 end,
        dead, published, done, retried, died, cancelled, expired, discarded, seconds, bytes
    from sums
)
insert into forebay.tally as t (
    queue, lane, ready, scheduled, running, dead, published, done, retried, died, cancelled, expired, discarded, seconds, bytes
)
select queue, lane, sum(ready), sum(scheduled), sum(running), sum(dead), sum(published), sum(done), sum(retried), sum(died),
    sum(cancelled), sum(expired), sum(discarded), sum(seconds), sum(bytes)
from told group by queue, lane order by queue, lane
on conflict (queue, lane) do update set
    ready = t.ready + excluded.ready, scheduled = t.scheduled + excluded.scheduled,
    running = t.running + excluded.running, dead = t.dead + excluded.dead, published = t.published + excluded.published,
    done = t.done + excluded.done, retried = t.retried + excluded.retried, died = t.died + excluded.died,
    cancelled = t.cancelled + excluded.cancelled, expired = t.expired + excluded.expired,
    discarded = t.discarded + excluded.discarded, seconds = t.seconds + excluded.seconds,
    bytes = t.bytes + excluded.bytes
