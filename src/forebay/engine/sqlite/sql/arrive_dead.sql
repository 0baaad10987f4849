insert into dead (
    id, queue, lane, priority, attempt, lost, fence, created, due, late, started, finished, worker, task, key, once,
    headers, cause, failure, progress, body, cost
)
values (?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
