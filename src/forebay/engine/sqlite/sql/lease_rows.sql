-- as lease.sql, of rows that were chosen
update message set state = 2, worker = ?1, fence = fence + 1, attempt = attempt + 1, leased = ?2
where seq in (select value from carray(?3))
returning seq, id, queue, task, body, fence, attempt, lost, created, expires, priority, coalesce(home, lane), key, headers,
    unknown
