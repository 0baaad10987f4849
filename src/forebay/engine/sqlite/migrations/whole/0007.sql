-- what all migrations up to this one come to, for a new file; written by tools/whole_schema.py
CREATE TABLE finished (
    seq integer primary key,
    id text not null,
    queue text not null,
    task text not null,
    state text not null,
    attempt integer not null,
    created real not null,
    finished real not null,
    expires real not null,
    result blob,
    cause text,
    failure blob
, lane text not null default '', priority integer not null default 0, lost integer not null default 0, due real, late real, started real, worker text, key text, once text, headers blob, progress blob) strict;
CREATE UNIQUE INDEX finished_id on finished (id);
CREATE INDEX finished_expires on finished (expires);
CREATE TABLE dead (
    seq integer primary key,
    id text not null,
    queue text not null,
    lane text not null,
    priority integer not null,
    attempt integer not null,
    lost integer not null,
    fence integer not null,           -- goes on from here when redriven
    created real not null,
    finished real not null,
    task text not null,
    key text,
    once text,
    headers blob,
    cause text not null,
    failure blob,
    body blob not null
, due real, late real, started real, worker text, progress blob, cost real) strict;
CREATE UNIQUE INDEX dead_id on dead (id);
CREATE INDEX dead_queue on dead (queue, seq);
CREATE TABLE queue (name text primary key, ttl real, limits blob, firm integer not null default 0, room blob, drain blob) strict, without rowid;
CREATE TABLE tally (
    queue text not null, name text not null, n integer not null, primary key (queue, name)
) strict, without rowid;
CREATE TABLE worker (
    id text primary key,
    host text not null,
    boot text not null,
    pid integer not null,
    started real not null,
    until real not null,
    state text not null,
    detail blob not null
) strict, without rowid;
CREATE TABLE message (
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
, home text, cost real, holds integer) strict;
CREATE UNIQUE INDEX message_id on message (id);
CREATE INDEX message_due on message (due) where state = 0;
CREATE INDEX message_expires on message (expires) where expires is not null;
CREATE INDEX worker_alive on worker (until, boot) where state <> 'buried';
CREATE INDEX message_unique on message (once) where once is not null;
CREATE INDEX message_fresh on message (queue, lane, priority desc, seq) where state = 1 and due is null;
CREATE TABLE merged (id text primary key, holder text not null, until real not null) strict, without rowid;
CREATE INDEX merged_until on merged (until);
CREATE INDEX message_key on message (key, seq) where key is not null;
CREATE INDEX finished_other on finished (state, seq) where state <> 'done';
CREATE INDEX dead_task on dead (task, seq);
CREATE INDEX dead_key on dead (key, seq) where key is not null;
CREATE TABLE schedule (
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
CREATE TABLE audit (
    seq integer primary key autoincrement, at real not null, actor text not null, verb text not null, target text not null,
    detail text not null
) strict;
CREATE INDEX queue_limited on queue (name) where limits is not null;
CREATE INDEX message_holds on message (queue, lane) where holds = 1;
CREATE TABLE lane (
    queue text not null, lane text not null, n integer not null default 0, go real, waits text, tat real,
    running integer not null default 0, gathered integer not null default 0, turn real, busy integer not null default 0, owed real not null default 0, mean real, primary key (queue, lane)
) strict, without rowid;
CREATE INDEX lane_go on lane (queue, go) where go is not null;
CREATE TABLE meter (
    name text primary key, rate real, burst real, slots integer, generation integer not null, running integer not null,
    tat real not null
) strict, without rowid;
CREATE TABLE slot (
    seq integer primary key, fence integer not null, worker text not null, queue text not null, mine text not null,
    task text not null, key text
) strict;
CREATE TABLE closed (
    queue text not null, what text not null, holder text not null, reason text not null, since real not null, until real,
    primary key (queue, what, holder)
) strict, without rowid;
CREATE INDEX closed_until on closed (until) where until is not null;
CREATE VIEW story as
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
CREATE TABLE passage (n integer primary key, route text not null, id text not null, body blob not null) strict;
CREATE UNIQUE INDEX passage_id on passage (route, id);
CREATE TABLE mark (route text not null, id text not null, primary key (route, id)) strict, without rowid;
CREATE TABLE route (name text primary key, mover text not null, about text not null) strict, without rowid;
CREATE INDEX queue_room on queue (name) where room is not null;
CREATE TABLE steering (name text primary key, generation integer not null, body blob not null) strict, without rowid;
CREATE INDEX lane_busy on lane (queue) where turn is not null and busy > 0;
CREATE INDEX lane_waits on lane (queue, waits, turn) where waits is not null;
CREATE TABLE fair (queue text primary key, clock real not null, usual real, recent blob, needed real not null default 0) strict, without rowid;
CREATE INDEX message_running on message (worker, cancel) where state = 2;
CREATE INDEX message_rest on message (state, queue, seq) where state <> 1 and state <> 2;
CREATE INDEX message_back on message (queue, lane, priority desc, seq) where due is not null and state = 1;
CREATE INDEX message_age on message (queue, due) where due is not null and state = 1;
