-- live messages end, other than by success: state, cause, failure, losses; $6 is now, $7 until when ends are kept
with gone as (
    delete from forebay.message m
    using unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[], $5::bigint[])
        with ordinality as e (seq, state, cause, failure, lost, n)
    where m.seq = any (array[e.seq])
    returning m.id, m.queue, m.lane, m.home, m.task, e.state, m.priority, m.attempt, e.lost, m.fence, m.created, m.due,
        m.expires, m.leased, m.cost, m.worker, m.key, m.once, e.cause, m.headers, m.holds,
        coalesce(e.failure, m.failure) as failure, m.progress, m.body, e.n
), stirred as (
    insert into forebay.stir (queue, lane) select distinct gone.queue, gone.lane from gone where gone.home is not null
)
insert into forebay.ended (
    id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, started, finished, forget,
    cost, worker, key, once, cause, headers, failure, progress, body
)
select id, queue, coalesce(home, lane), task, state, priority, attempt, lost, fence, created, due, expires, leased,
    $6::float8, case when state <> 'dead' then $7::float8 end, cost, worker, key, once, cause, headers, failure, progress,
    case when state = 'dead' then body end
from gone order by n
