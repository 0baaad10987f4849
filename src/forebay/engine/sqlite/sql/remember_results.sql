-- ends with their results; ?1 are blobs: row and fence in 19 digits (rows.leases), 1 if there is a result, and it
-- columns in the order of the table, so that SQLite puts each where it belongs at once
insert into finished (
    seq, id, queue, task, state, attempt, created, finished, expires, result, cause, failure, lane, priority, lost,
    due, late, started, worker, key, once, headers, progress
)
select null, id, queue, task, 'done', attempt, created, ?2, ?3,
    iif(substr(ack.value, 20, 1) = x'31', substr(ack.value, 21), null), null, failure,
    coalesce(home, lane), priority, lost, due, expires, leased, worker, key, once, headers, progress
from carray(?1) as ack
cross join message on message.seq = cast(cast(substr(ack.value, 1, 19) as text) as integer) >> 20
where true on conflict do nothing  -- one that stands there twice: the deletion that follows counts them
