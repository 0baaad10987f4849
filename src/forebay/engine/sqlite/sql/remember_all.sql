-- ends without a result; ?1 as in ack.sql, which follows in the same savepoint and judges
insert into finished (
    id, queue, lane, task, state, priority, attempt, lost, created, due, late, started, finished, expires, worker, key,
    once, headers, failure, progress
)
select id, queue, coalesce(home, lane), task, 'done', priority, attempt, lost, created, due, expires, leased, ?2, ?3, worker, key, once,
    headers, failure, progress
from carray(?1) as lease cross join message on message.seq = lease.value >> 20
where true on conflict do nothing  -- one that stands there twice: the deletion that follows counts them
