insert into finished (
    id, queue, lane, task, state, priority, attempt, lost, created, due, late, started, finished, expires, worker, key,
    once, headers, cause, failure, progress
)
select id, queue, lane, task, 'discarded', priority, attempt, lost, created, due, late, started, ?2, ?3, worker, key,
    once, headers, 'purged: ' || cause, failure, progress
from dead where seq = ?1
