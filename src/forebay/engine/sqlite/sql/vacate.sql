-- ?3 messages fewer run behind the meter of a key
update lane set running = max(0, running - ?3) where queue = ?1 and lane = ?2
