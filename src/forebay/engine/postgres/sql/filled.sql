-- a queue with a limit: what it holds at the most, what waits in it, how fast it was seen to drain; and the time
select q.most, q.most_bytes, q.most_age, q.on_full, q.patience, q.reserve, l.n, l.drained, q.drain,
    coalesce($2::float8, extract(epoch from clock_timestamp())::float8),
    case when q.most_age is not null then forebay.age($1, coalesce($2::float8, extract(epoch from clock_timestamp())::float8)) end,
    case when q.most_bytes is not null then forebay.weight($1) else 0 end
from forebay.queue q, forebay.level($1) l where q.name = $1
