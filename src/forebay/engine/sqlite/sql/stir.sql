-- ?3 more messages are ready in a lane (fewer, if below 0); it may be looked at, unless it waits for the meter of its key
-- in a fair queue it joins where virtual time is now (?5), if nothing was in it
insert into lane (queue, lane, n, go, turn) values (?1, ?2, max(0, ?3), coalesce(?5 - 1e10, ?4), ?5)
on conflict do update set n = max(0, n + ?3),
    go = case when go <= 0 or n > 0 and waits >= 'key:' and waits < 'key;' then go
        else coalesce(max(coalesce(turn, ?5), ?5) - 1e10, ?4) end,
    turn = case when n > 0 then coalesce(turn, ?5) else max(coalesce(turn, ?5), ?5) end,
    waits = case when n > 0 and waits >= 'key:' and waits < 'key;' then waits end
