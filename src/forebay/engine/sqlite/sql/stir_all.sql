-- lanes of a queue that hold something may be looked at, whatever they waited for; the main one and its like always may
update lane set go = coalesce(turn - 1e10, ?2), waits = null where queue = ?1 and n > 0 and go is not 0
