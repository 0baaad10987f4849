-- likewise dead letters
insert into forebay.ended (
    id, queue, lane, state, priority, attempt, lost, fence, created, due, expires, started, finished, worker, task, key,
    once, headers, failure, cause, progress, body, cost
)
select p.id, p.queue, p.lane, 'dead', p.priority, p.attempt, p.lost, 0, p.created, p.due, p.expires, p.started,
    p.finished, p.worker, p.task, p.key, p.once, p.headers, p.failure, p.cause, p.progress, p.body, p.cost
from unnest(
    $1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::float8[], $8::float8[],
    $9::float8[], $10::float8[], $11::float8[], $12::text[], $13::text[], $14::text[], $15::text[], $16::bytea[],
    $17::bytea[], $18::text[], $19::bytea[], $20::bytea[], $21::float8[]
) with ordinality as p (
    id, queue, lane, priority, attempt, lost, created, due, expires, started, finished, worker, task, key, once, headers,
    failure, cause, progress, body, cost, n
)
order by p.n on conflict (id) do nothing returning id
