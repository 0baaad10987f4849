-- ends without a result, taken from the messages; ?1 as in ack.sql, which follows in the same savepoint and judges
insert into finished (id, queue, task, state, attempt, created, finished, expires, result)
select id, queue, task, 'done', attempt, created, ?2, ?3, null
from carray(?1) as lease cross join message on message.seq = lease.value >> 20
where true on conflict do nothing  -- one that stands there twice: the deletion that follows counts them
