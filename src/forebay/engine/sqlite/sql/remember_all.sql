-- ends without a result; ?1 as in ack.sql, which follows in the same savepoint and judges
-- columns in the order of the table, so that SQLite puts each where it belongs at once
insert into finished (
    seq, id, queue, task, state, attempt, created, finished, expires, result, cause, failure, lane, priority, lost,
    due, late, started, worker, key, once, headers, progress
)
select null, id, queue, task, 'done', attempt, created, ?2, ?3, null, null, failure,
    coalesce(home, lane), priority, lost, due, expires, leased, worker, key, once, headers, progress
from carray(?1) as lease cross join message on message.seq = lease.value >> 20
where true on conflict do nothing  -- one that stands there twice: the deletion that follows counts them
