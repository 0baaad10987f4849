insert into message (
    seq, id, queue, lane, home, state, priority, attempt, lost, created, due, holds, expires, task, key, once, headers,
    failure, cause, progress, body, unknown, cost
)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
