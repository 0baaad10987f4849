-- the queues there are, which are paused, which bound something or tell it apart, which are in order, what they hold at the most, and since
-- when they have been full
select q.name, exists (
    select from forebay.closed c where c.queue = q.name and c.what = '' and (c.until is null or c.until > $2::float8)
), exists (select from forebay.bound b where b.queue in ('', q.name)),
    coalesce((select b.ordered from forebay.bound b where b.queue = q.name), false), q.most, q.most_bytes, q.most_age,
    q.drain[5], q.reserve
from forebay.queue q where $1::text[] is null or q.name = any ($1::text[])
