-- how long messages of fair queues ran that are about to end otherwise than by success
insert into forebay.ran (queue, lane, took, charged)
select m.queue, m.lane, r.took, m.charged
from unnest($1::bigint[], $2::float8[]) as r (seq, took) join forebay.message m on m.seq = any (array[r.seq]) where m.charged is not null
