-- ?3 more messages are ready in each of the lanes ?2 (fewer, if below 0)
-- each may be looked at, unless it waits for the meter of its key; in a fair queue it joins where virtual time is now (?5),
-- if nothing was in it
insert into lane (queue, lane, n, go, turn)
select ?1, cast(value as text), max(0, ?3), coalesce(?5 - 1e10, ?4), ?5 from carray(?2) where true
on conflict do update set n = max(0, n + ?3),
    go = case when go <= 0 or n > 0 and waits >= 'key:' and waits < 'key;' then go
        else coalesce(max(coalesce(turn, ?5), ?5) - 1e10, ?4) end,
    turn = case when n > 0 then coalesce(turn, ?5) else max(coalesce(turn, ?5), ?5) end,
    waits = case when n > 0 and waits >= 'key:' and waits < 'key;' then waits end
