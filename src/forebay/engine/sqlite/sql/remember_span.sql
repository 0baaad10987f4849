-- as remember_all.sql, of rows that follow each other under one fence (rows.Leases)
-- columns in the order of the table, so that SQLite puts each where it belongs at once
insert into finished (
    seq, id, queue, task, state, attempt, created, finished, expires, result, cause, failure, lane, priority, lost,
    due, late, started, worker, key, once, headers, progress
)
select null, id, queue, task, 'done', attempt, created, ?4, ?5, null, null, failure,
    coalesce(home, lane), priority, lost, due, expires, leased, worker, key, once, headers, progress
from message not indexed where seq between ?1 and ?2 and fence = ?3
on conflict do nothing
