-- state: 0 scheduled, 1 ready, 2 running, 3 parked (forebay.engine.sqlite.rows.LIVE_STATES)
create table message (
    seq integer primary key autoincrement,  -- order of acceptance; never used again, so that an old lease finds nothing
    id text not null,
    queue text not null,
    lane text not null default '',
    state integer not null,
    priority integer not null default 0,
    attempt integer not null default 0,
    lost integer not null default 0,
    fence integer not null default 0,
    cancel integer not null default 0,  -- somebody asked the running one to stop
    created real not null,
    due real,
    expires real,
    leased real,
    worker text,
    task text not null default '',
    key text,
    uniq text,
    headers blob,
    failure blob,
    cause text,                       -- why it is parked
    progress blob,
    body blob not null
) strict;
create unique index message_id on message (id);
create unique index message_unique on message (uniq) where uniq is not null;
create index message_ready on message (queue, lane, priority desc, seq) where state = 1;
create index message_due on message (due) where state = 0;
create index message_running on message (worker) where state = 2;
create index message_cancel on message (worker) where cancel = 1;
create index message_parked on message (queue, lane) where state = 3;
create index message_expires on message (expires) where expires is not null;

-- ends, kept until they expire
create table finished (
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
) strict;
create unique index finished_id on finished (id);
create index finished_expires on finished (expires);

create table dead (
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
    uniq text,
    headers blob,
    cause text not null,
    failure blob,
    body blob not null
) strict;
create unique index dead_id on dead (id);
create index dead_queue on dead (queue, seq);

create table queue (name text primary key, ttl real) strict, without rowid;
create table lane (queue text not null, lane text not null, primary key (queue, lane)) strict, without rowid;
-- a closed gate; lane null text '*' is the whole queue
create table gate (
    queue text not null, lane text not null, reason text not null, since real not null, primary key (queue, lane)
) strict, without rowid;
-- messages per queue and state, and ends since ever: depth is a read of these few rows
create table tally (
    queue text not null, name text not null, n integer not null, primary key (queue, name)
) strict, without rowid;

-- one row per worker process; until is the host's monotonic clock, good for one boot of one host
create table worker (
    id text primary key,
    host text not null,
    boot text not null,
    pid integer not null,
    started real not null,
    until real not null,
    state text not null,
    detail blob not null
) strict, without rowid;

create table schedule (
    name text primary key,
    cron text not null,
    tz text not null,
    task text not null,
    queue text not null,
    body blob not null,
    missed text not null,
    next real not null,
    last real,
    paused integer not null default 0
) strict, without rowid;
