-- one end, taken from its message, with its result; ?1 and ?2 as in ack_one.sql, which follows and judges
insert into finished (
    id, queue, lane, task, state, priority, attempt, lost, created, due, late, started, finished, expires, worker, key,
    once, headers, result, failure, progress
)
select id, queue, coalesce(home, lane), task, 'done', priority, attempt, lost, created, due, expires, leased, ?3, ?4, worker, key, once,
    headers, ?5, failure, progress
from message where seq = ?1 and fence = ?2
on conflict do nothing
