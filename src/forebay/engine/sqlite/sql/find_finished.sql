select id, queue, task, state, attempt, lost, priority, lane, key, uniq, headers, created, due, late, started, worker,
       finished, result, cause, failure, progress
from finished where id = ?1
