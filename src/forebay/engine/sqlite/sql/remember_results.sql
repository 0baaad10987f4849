-- ends with their results; ?1 are blobs: row and fence in 19 digits (rows.leases), 1 if there is a result, and it
insert into finished (
    id, queue, lane, task, state, priority, attempt, lost, created, due, late, started, finished, expires, worker, key,
    once, headers, result, failure, progress
)
select id, queue, coalesce(home, lane), task, 'done', priority, attempt, lost, created, due, expires, leased, ?2, ?3, worker, key, once,
    headers, iif(substr(ack.value, 20, 1) = x'31', substr(ack.value, 21), null), failure, progress
from carray(?1) as ack
cross join message on message.seq = cast(cast(substr(ack.value, 1, 19) as text) as integer) >> 20
where true on conflict do nothing  -- one that stands there twice: the deletion that follows counts them
