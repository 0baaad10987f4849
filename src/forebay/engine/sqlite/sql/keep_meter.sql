-- what the meter of a key has to remember, in the lane of that key
insert into lane (queue, lane, go, tat, running) values (?1, ?2, ?3, ?4, ?5)
on conflict do update set tat = ?4, running = ?5, go = case when n > 0 or waits is not null then go else ?3 end
