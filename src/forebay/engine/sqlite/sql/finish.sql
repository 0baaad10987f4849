-- a live message ends other than by success: state, now, retention, cause, failure, losses
insert into finished (
    id, queue, lane, task, state, priority, attempt, lost, created, due, late, started, finished, expires, worker, key,
    once, headers, cause, failure, progress
)
select id, queue, coalesce(home, lane), task, ?2, priority, attempt, ?7, created, due, expires, leased, ?3, ?4, worker, key, once,
    headers, ?5, coalesce(?6, failure), progress
from message where seq = ?1
