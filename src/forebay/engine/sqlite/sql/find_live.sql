select id, queue, task, state, attempt, lost, priority, lane, key, uniq, body, headers, created, due, expires, leased,
       worker, failure, progress, cause
from message where id = ?1
