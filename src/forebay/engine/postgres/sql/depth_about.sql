-- the queues there are, and which are paused
select q.name, exists (
    select from forebay.closed c where c.queue = q.name and c.what = '' and (c.until is null or c.until > $2::float8)
)
from forebay.queue q where $1::text[] is null or q.name = any ($1::text[])
