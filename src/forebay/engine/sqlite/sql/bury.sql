-- a running message becomes a dead letter: now, cause, failure, losses
insert into dead (
    id, queue, lane, priority, attempt, lost, fence, created, due, late, started, finished, worker, task, key, once,
    headers, cause, failure, progress, body, cost
)
select id, queue, coalesce(home, lane), priority, attempt, ?5, fence, created, due, expires, leased, ?2, worker, task, key, once,
    headers, ?3, coalesce(?4, failure), progress, body, cost
from message where seq = ?1
