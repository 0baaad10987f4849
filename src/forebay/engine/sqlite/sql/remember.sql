insert into finished (id, queue, task, state, attempt, created, finished, expires, result)
values (?1, ?2, ?3, 'done', ?4, ?5, ?6, ?7, ?8)
