-- a lane that holds something may be looked at, unless it waits for the meter of its key
update lane set go = coalesce(turn - 1e10, ?3), waits = null
where queue = ?1 and lane = ?2 and n > 0 and (go is null or go > 0) and (waits is null or waits < 'key:' or waits >= 'key;')
