-- fair queues (flow.fair): what each lane has had; turn is null in all others. In a fair queue a lane that may be looked at
-- at any time stands where its turn is: its `go` is turn - 1e10
alter table lane add column turn real;
alter table lane add column busy integer not null default 0;
alter table lane add column owed real not null default 0;
alter table lane add column mean real;
create index lane_busy on lane (queue) where turn is not null and busy > 0;
drop index lane_waits;
create index lane_waits on lane (queue, waits, turn) where waits is not null;

-- what the lanes of a fair queue have in common; recent: lanes and when each had a turn, as MessagePack
create table fair (queue text primary key, clock real not null, usual real, recent blob) strict, without rowid;
