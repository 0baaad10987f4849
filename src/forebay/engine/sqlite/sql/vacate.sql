-- ?3 messages fewer run behind the meter of a key: what is ready in its lane may be looked at
update lane set running = max(0, running - ?3), go = case when n > 0 and waits is null then ?4 else go end
where queue = ?1 and lane = ?2
