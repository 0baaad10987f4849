-- one end, taken from its message, with its result; ?1 and ?2 as in ack_one.sql, which follows and judges
-- columns in the order of the table, so that SQLite puts each where it belongs at once
insert into finished (
    seq, id, queue, task, state, attempt, created, finished, expires, result, cause, failure, lane, priority, lost,
    due, late, started, worker, key, once, headers, progress
)
select null, id, queue, task, 'done', attempt, created, ?3, ?4, ?5, null, failure,
    coalesce(home, lane), priority, lost, due, expires, leased, worker, key, once, headers, progress
from message where seq = ?1 and fence = ?2
on conflict do nothing
