-- messages come in as they were: columns of equal length, in order; which of them did, and where they are
insert into forebay.message (
    id, queue, lane, home, holds, state, back, priority, attempt, lost, created, due, expires, task, key, once, headers,
    failure, cause, progress, body, unknown, cost, size
)
select p.id, p.queue, case when p.holds and b.ordered then '|key:' || p.key else p.lane end,
    case when p.holds and b.ordered then p.lane end, case when p.holds and b.ordered then true end, p.state, true,
    p.priority, p.attempt, p.lost, p.created, p.due, p.expires, p.task, p.key, p.once, p.headers, p.failure, p.cause,
    p.progress, p.body, p.unknown, p.cost, case when q.most_bytes is not null then octet_length(p.body) end
from unnest(
    $1::text[], $2::text[], $3::text[], $4::bool[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[],
    $9::float8[], $10::float8[], $11::float8[], $12::text[], $13::text[], $14::text[], $15::bytea[], $16::bytea[],
    $17::text[], $18::bytea[], $19::bytea[], $20::float8[], $21::float8[]
) with ordinality as p (
    id, queue, lane, holds, state, priority, attempt, lost, created, due, expires, task, key, once, headers, failure,
    cause, progress, body, unknown, cost, n
)
left join forebay.bound b on b.queue = p.queue left join forebay.queue q on q.name = p.queue
order by p.n on conflict (id) do nothing returning id, queue, lane, state
