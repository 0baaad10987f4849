-- ?3 run behind the meter of a key; its lane is there as long as they do
insert into lane (queue, lane, running) values (?1, ?2, ?3) on conflict do update set running = ?3
