select id, queue, task, attempt, lost, priority, lane, key, uniq, body, headers, created, due, late, started, worker,
       finished, cause, failure, progress
from dead where id = ?1
