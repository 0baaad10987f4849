-- a live message ends other than by success
insert into finished (id, queue, task, state, attempt, created, finished, expires, cause, failure)
select id, queue, task, ?2, attempt, created, ?3, ?4, ?5, coalesce(?6, failure) from message where seq = ?1
