-- as lease.sql, of rows that follow each other
update message set state = 2, worker = ?1, fence = fence + 1, attempt = attempt + 1, leased = ?2
where seq between ?3 and ?4
