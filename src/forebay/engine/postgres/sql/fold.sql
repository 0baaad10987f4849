-- deltas into tallies; whoever comes second finds that somebody is at it, and leaves it to them
with mine as materialized (
    select pg_try_advisory_xact_lock(hashtextextended('forebay.fold', $1::bigint)) as lock
), gone as (
    delete from forebay.delta where (select lock from mine) returning *
)
insert into forebay.tally as t (
    queue, lane, ready, scheduled, running, dead, published, done, retried, died, cancelled, expired, discarded, seconds
)
select queue, lane, coalesce(sum(ready), 0), coalesce(sum(scheduled), 0), coalesce(sum(running), 0),
    coalesce(sum(dead), 0), coalesce(sum(published), 0), coalesce(sum(done), 0), coalesce(sum(retried), 0),
    coalesce(sum(died), 0), coalesce(sum(cancelled), 0), coalesce(sum(expired), 0), coalesce(sum(discarded), 0),
    coalesce(sum(seconds), 0)
from gone group by queue, lane order by queue, lane
on conflict (queue, lane) do update set
    ready = t.ready + excluded.ready, scheduled = t.scheduled + excluded.scheduled,
    running = t.running + excluded.running, dead = t.dead + excluded.dead, published = t.published + excluded.published,
    done = t.done + excluded.done, retried = t.retried + excluded.retried, died = t.died + excluded.died,
    cancelled = t.cancelled + excluded.cancelled, expired = t.expired + excluded.expired,
    discarded = t.discarded + excluded.discarded, seconds = t.seconds + excluded.seconds
