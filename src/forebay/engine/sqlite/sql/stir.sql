-- ?3 more messages are ready in a lane (fewer, if below 0); it may be looked at, unless it waits for the meter of its key
insert into lane (queue, lane, n, go) values (?1, ?2, max(0, ?3), ?4)
on conflict do update set n = max(0, n + ?3),
    go = case when go <= 0 or n > 0 and waits >= 'key:' and waits < 'key;' then go else ?4 end,
    waits = case when n > 0 and waits >= 'key:' and waits < 'key;' then waits end
