-- what a message that has ended still tells; `late` is after when it was not worth starting
alter table finished add column lane text not null default '';
alter table finished add column priority integer not null default 0;
alter table finished add column lost integer not null default 0;
alter table finished add column due real;
alter table finished add column late real;
alter table finished add column started real;
alter table finished add column worker text;
alter table finished add column key text;
alter table finished add column once text;
alter table finished add column headers blob;
alter table finished add column progress blob;
alter table dead add column due real;
alter table dead add column late real;
alter table dead add column started real;
alter table dead add column worker text;
alter table dead add column progress blob;

-- the number of a message comes from the writer: the largest yet is the tally 'seq' of no queue, in a page that
-- changes anyway; so the table is made anew, without autoincrement
-- once: was uniq; and so, whoever still writes in the old way is refused, not obeyed
-- unknown: since when it has been handed back because no worker knew its task
insert into tally select '', 'seq', seq from sqlite_sequence where name = 'message';
alter table message rename to old_message;
create table message (
    seq integer primary key,  -- order of acceptance; never used again, so that an old lease finds nothing
    id text not null,
    queue text not null,
    lane text not null default '',
    state integer not null,
    priority integer not null default 0,
    attempt integer not null default 0,
    lost integer not null default 0,
    fence integer not null default 0,
    cancel integer not null default 0,
    created real not null,
    due real,
    expires real,
    leased real,
    worker text,
    task text not null default '',
    key text,
    once text,
    headers blob,
    failure blob,
    cause text,
    progress blob,
    body blob not null,
    unknown real
) strict;
insert into message select *, null from old_message;
drop table old_message;
alter table dead rename column uniq to once;
create unique index message_id on message (id);
create index message_due on message (due) where state = 0;
create index message_running on message (worker) where state = 2;
create index message_cancel on message (worker) where cancel = 1;
create index message_expires on message (expires) where expires is not null;

create index worker_alive on worker (until, boot) where state <> 'buried';

-- a key may be held twice: by one that runs and, debounced, by one that waits beside it
create index message_unique on message (once) where once is not null;

-- what waits for its first run is in order of time as well, so that the oldest is the first; what comes back is not
create index message_fresh on message (queue, lane, priority desc, seq) where state = 1 and due is null;
create index message_back on message (queue, lane, priority desc, seq) where state = 1 and due is not null;
create index message_age on message (queue, due) where state = 1 and due is not null;

-- ids that were merged into another message, for as long as their publish may be tried again
create table merged (id text primary key, holder text not null, until real not null) strict, without rowid;
create index merged_until on merged (until);

-- for looking: by key, and what is rare among much else
create index message_odd on message (seq) where state not between 0 and 2;
create index message_key on message (key, seq) where key is not null;
create index message_later on message (queue, seq) where state = 0;
create index finished_other on finished (state, seq) where state <> 'done';
create index dead_task on dead (task, seq);
create index dead_key on dead (key, seq) where key is not null;

-- form: a message as MessagePack, which the insert below writes by hand
alter table schedule rename to old_schedule;
create table schedule (
    name text primary key,
    cron text not null,
    tz text not null,
    form blob not null,
    missed text not null,
    overlap text not null,
    next real not null,
    last real,
    paused integer not null default 0,
    declared real not null default 0
) strict, without rowid;
insert into schedule
select name, cron, tz, cast(
    x'84a26964a0a57175657565db' || unhex(printf('%08x', octet_length(queue))) || cast(queue as blob)
    || x'a47461736bdb' || unhex(printf('%08x', octet_length(task))) || cast(task as blob)
    || x'a4626f6479c6' || unhex(printf('%08x', octet_length(body))) || body as blob
), missed, 'allow', next, last, paused, 0
from old_schedule;
drop table old_schedule;

create table audit (
    seq integer primary key autoincrement, at real not null, actor text not null, verb text not null, target text not null,
    detail text not null
) strict;

-- lanes, meters, gates
-- limits: rates, slots, and what waits apart, as MessagePack (flow.lane.Split); null: nothing of all that
alter table queue add column limits blob;
-- firm: a worker has declared it at its start
alter table queue add column firm integer not null default 0;
create index queue_limited on queue (name) where limits is not null;

-- home: what it was put into, where `lane` says more (flow.lane). cost: what it takes from a rate, 1 if null
-- holds: it has started in an ordered queue, and waits again: nothing of its lane starts before it
alter table message add column home text;
alter table message add column cost real;
alter table message add column holds integer;
create index message_holds on message (queue, lane) where holds = 1;
alter table dead add column cost real;

-- what was parked is ready, in a lane that is closed
update message set state = 1 where state = 3;
insert into tally select queue, 'ready', n from tally where name = 'parked' on conflict do update set n = n + excluded.n;
delete from tally where name = 'parked';

-- n: messages ready in it (not counted in the main lane). go: when it may be looked at, 0 always, null not before
-- something happens; waits: the meter or gate that has to let something through first
-- tat, running: the meter of the key that it is named after (model.meter), in the lane `|key:…` of that key
-- gathered: the number up to which older messages of its key were looked for elsewhere (flow.lane.Split.until)
drop table lane;
create table lane (
    queue text not null, lane text not null, n integer not null default 0, go real, waits text, tat real,
    running integer not null default 0, gathered integer not null default 0, primary key (queue, lane)
) strict, without rowid;
insert into lane (queue, lane, n, go) select queue, lane, sum(state = 1), 0 from message group by queue, lane;
insert into lane (queue, lane, go) select name, '', 0 from queue where true on conflict do nothing;
create index lane_go on lane (queue, go) where go is not null;
create index lane_waits on lane (queue, waits) where waits is not null;

create table meter (
    name text primary key, rate real, burst real, slots integer, generation integer not null, running integer not null,
    tat real not null
) strict, without rowid;

-- slots of what was done before it ran (model.outcome.Ack.holds): by its number, until its run has ended
create table slot (
    seq integer primary key, fence integer not null, worker text not null, queue text not null, mine text not null,
    task text not null, key text
) strict;

-- a closed gate; what: '' for all of the queue, 'lane:…', 'task:…' or 'key:…'; queue '' for all queues
create table closed (
    queue text not null, what text not null, holder text not null, reason text not null, since real not null, until real,
    primary key (queue, what, holder)
) strict, without rowid;
insert into closed select queue, case lane when '*' then '' else 'lane:' || lane end, 'operator', reason, since, null from gate;
drop table gate;
create index closed_until on closed (until) where until is not null;

-- all that is known of a message, wherever it is; texts as bytes, so that one that is no text hides no other row
create view story as
select 0 as place, seq, id as name, cast(id as blob) as id, cast(queue as blob) as queue, cast(task as blob) as task,
    state, attempt, lost, priority, cast(coalesce(home, lane) as blob) as lane, cast(key as blob) as key,
    cast(once as blob) as once, body, headers, created, due, expires, leased as started, cast(worker as blob) as worker, null as finished,
    null as result, cast(cause as blob) as cause, failure, progress
from message
union all
select 1, seq, id, cast(id as blob), cast(queue as blob), cast(task as blob), cast(state as blob), attempt, lost, priority,
    cast(lane as blob), cast(key as blob), cast(once as blob), x'', headers, created, due, late, started,
    cast(worker as blob), finished, result, cast(cause as blob), failure, progress
from finished
union all
select 2, seq, id, cast(id as blob), cast(queue as blob), cast(task as blob), x'64656164', attempt, lost, priority,
    cast(lane as blob), cast(key as blob), cast(once as blob), body, headers, created, due, late, started,
    cast(worker as blob), finished, null, cast(cause as blob), failure, progress
from dead;

-- moving to other stores and from them (flow.crossing): what has left its queue and is not known to have come there yet,
-- and what has come and may still stand there
-- route: who moves along it, by the name of both stores; that of this store itself has no name, and no mover
create table passage (n integer primary key, route text not null, id text not null, body blob not null) strict;
create unique index passage_id on passage (route, id);
create table mark (route text not null, id text not null, primary key (route, id)) strict, without rowid;
create table route (name text primary key, mover text not null, about text not null) strict, without rowid;
