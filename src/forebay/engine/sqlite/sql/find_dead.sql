select id, queue, task, attempt, lost, priority, lane, key, uniq, body, headers, created, finished, cause, failure
from dead where id = ?1
