-- one message, wherever it is, in one look: it may be on its way from one table to another
select id, queue, task, state, attempt, lost, priority, lane, key, once, body, headers, created, due, expires,
       started, worker, finished, result, cause, failure, progress
from story where name = ?1
