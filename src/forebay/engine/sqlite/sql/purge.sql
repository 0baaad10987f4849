insert into finished (id, queue, task, state, attempt, created, finished, expires, cause, failure)
select id, queue, task, 'discarded', attempt, created, ?2, ?3, 'purged: ' || cause, failure from dead where seq = ?1
