-- a queue with a limit: what it holds at the most, what waits in it, how fast it was seen to drain; the time; when it goes on, if
-- all of it is closed until then
select q.most, q.most_bytes, q.most_age, q.on_full, q.patience, q.reserve, l.n, l.drained, q.drain,
    coalesce($2::float8, extract(epoch from clock_timestamp())::float8),
    case when q.most_age is not null then forebay.age($1, coalesce($2::float8, extract(epoch from clock_timestamp())::float8)) end,
    case when q.most_bytes is not null then forebay.weight($1) else 0 end,
    (
        select max(c.until) from forebay.closed c where c.queue = $1 and c.what = ''
            and (c.until is null or c.until > coalesce($2::float8, extract(epoch from clock_timestamp())::float8))
        having count(*) = count(c.until)
    )
from forebay.queue q, forebay.level($1) l where q.name = $1
