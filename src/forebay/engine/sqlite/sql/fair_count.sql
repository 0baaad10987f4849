-- ?3 run of a lane of a fair queue
insert into lane (queue, lane, turn, busy) select ?1, ?2, clock, ?3 from fair where queue = ?1
on conflict do update set owed = iif(busy > 0, owed * ?3 / busy, 0), busy = ?3
