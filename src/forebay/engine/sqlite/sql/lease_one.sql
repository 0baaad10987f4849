-- as lease.sql, of one row: without the table that SQLite makes for many
update message set state = 2, worker = ?1, fence = fence + 1, attempt = attempt + 1, leased = ?2 where seq = ?3
