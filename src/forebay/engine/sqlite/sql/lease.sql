-- the attempt and the fence grow in the same step
update message set state = 2, worker = ?1, fence = fence + 1, attempt = attempt + 1, leased = ?2
where seq in (select value from carray(?3))
