-- as lease.sql, of one row that was chosen: without the tables that SQLite makes for many
update message
set state = 2, worker = ?1, fence = fence + 1, attempt = attempt + 1, leased = ?2
where seq = ?3
returning seq, id, queue, task, body, fence, attempt, lost, created, expires, priority, lane, key, headers, unknown
