-- the rows ?2 of one table (rows.TABLES)
select id, queue, task, state, attempt, lost, priority, lane, key, once, body, headers, created, due, expires,
       started, worker, finished, result, cause, failure, progress
from story where place = ?1 and seq in (select value from carray(?2)) order by seq
