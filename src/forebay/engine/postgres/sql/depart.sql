-- take waiting messages of the queue $1 behind the place $2 away, in order of acceptance: $3 of them, but of bodies no
-- more than $4 bytes beside the first
with seen as materialized (
    select m.seq, octet_length(m.body) as size from forebay.message m
    where m.queue = $1 and m.seq > $2 and m.state + 0 in (0, 1) order by m.seq limit $3 for update skip locked
), picked as materialized (
    select seq from (select seq, sum(size) over (order by seq) - size as before from seen) as s where before <= $4
), gone as (
    delete from forebay.message m using picked where m.seq = any (array[picked.seq]) returning m.*
), stirred as (  -- whom it held up may pass
    insert into forebay.stir (queue, lane) select distinct gone.queue, gone.lane from gone where gone.holds
)
select seq, id, task, body, headers, key, once, priority, coalesce(home, lane), cost, created, state, due, expires, attempt,
    lost, unknown, cause, failure, progress, lane, holds
from gone order by seq
