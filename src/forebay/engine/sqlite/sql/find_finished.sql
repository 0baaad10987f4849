select id, queue, task, state, attempt, created, finished, result, cause, failure from finished where id = ?1
