-- ?3 more messages are ready in a lane (fewer, if below 0); it may be looked at, unless it knows why not
insert into lane (queue, lane, n, go) values (?1, ?2, max(0, ?3), ?4)
on conflict do update set n = max(0, n + ?3), go = case when n > 0 or waits is not null or go = 0 then go else ?4 end
