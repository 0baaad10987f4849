-- Everything lies in one schema, the namespace; it is called forebay here, and renamed on its way to the server.
create table forebay.version (version integer not null, at timestamptz not null default now());

-- What waits and runs. state: 0 scheduled, 1 ready, 2 running. due: when it is due, or since when it is ready if that
-- is not since its acceptance. lane: where it waits; home: what it was put into, where lane says more.
-- back: it has waited for a time, or comes back; what does not is ready in the order of its numbers.
-- visit: which lease took it, so that one whose answer was lost can be answered again.
create table forebay.message (
    seq bigint generated always as identity primary key,  -- order of acceptance
    id text not null,
    queue text not null,
    lane text not null default '',
    home text,
    task text not null default '',
    state smallint not null,
    cancel boolean not null default false,
    back boolean not null default false,
    priority bigint not null default 0,
    attempt bigint not null default 0,
    lost bigint not null default 0,
    fence bigint not null default 0,
    visit bigint,
    created double precision not null,
    due double precision,
    expires double precision,
    leased double precision,
    unknown double precision,
    cost double precision,
    worker text,
    key text,
    once text,
    cause text,
    headers bytea,
    failure bytea,
    progress bytea,
    body bytea not null
) with (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_scale_factor = 0.5, autovacuum_analyze_threshold = 50000
);
create unique index message_id on forebay.message (id);
create index message_fresh on forebay.message (queue, lane, priority desc, seq) where state = 1 and not back;
create index message_back on forebay.message (queue, lane, priority desc, seq) where state = 1 and back;
create index message_age on forebay.message (queue, lane, coalesce(due, created)) where state = 1 and back;
create index message_due on forebay.message (due) where state = 0;
create index message_running on forebay.message (worker) where state = 2;
create index message_cancel on forebay.message (worker) where cancel;
create index message_expires on forebay.message (expires) where expires is not null;
create index message_once on forebay.message (once) where once is not null;
create index message_key on forebay.message (key, seq) where key is not null;

-- What has ended, until `forget`; dead letters, with their bodies, until somebody redrives or purges them.
create table forebay.ended (
    n bigint generated always as identity primary key,  -- order of their ends
    id text not null,
    queue text not null,
    lane text not null,
    task text not null,
    state text not null,
    priority bigint not null,
    attempt bigint not null,
    lost bigint not null,
    fence bigint not null,
    created double precision not null,
    due double precision,
    expires double precision,
    started double precision,
    finished double precision not null,
    forget double precision,
    cost double precision,
    worker text,
    key text,
    once text,
    cause text,
    headers bytea,
    failure bytea,
    progress bytea,
    result bytea,
    body bytea
) with (
    autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 50000
);
create unique index ended_id on forebay.ended (id);
create index ended_forget on forebay.ended (forget) where forget is not null;
create index ended_other on forebay.ended (state, n) where state <> 'done';
create index ended_dead on forebay.ended (queue, n) where state = 'dead';

-- What moved: a row a commit, queue and lane, so that nobody waits for anybody; folded into `tally` now and then.
create table forebay.delta (
    queue text not null,
    lane text not null default '',
    ready integer, scheduled integer, running integer, dead integer,
    published integer, done integer, retried integer, died integer, cancelled integer, expired integer, discarded integer,
    seconds double precision
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create table forebay.tally (
    queue text not null,
    lane text not null default '',
    ready bigint not null default 0, scheduled bigint not null default 0, running bigint not null default 0,
    dead bigint not null default 0, published bigint not null default 0, done bigint not null default 0,
    retried bigint not null default 0, died bigint not null default 0, cancelled bigint not null default 0,
    expired bigint not null default 0, discarded bigint not null default 0, seconds double precision not null default 0,
    primary key (queue, lane)
) with (fillfactor = 50);

-- firm: a worker has declared it at its start.
create table forebay.queue (name text primary key, ttl double precision, firm boolean not null default false);
-- Where something has ever waited; with few priorities.
create table forebay.lane (
    queue text not null, lane text not null, priority bigint not null default 0, primary key (queue, lane, priority)
);

-- A closed gate. what: '' for all of the queue, else lane:…
create table forebay.closed (
    queue text not null, what text not null, holder text not null, reason text not null,
    since double precision not null, until double precision, primary key (queue, what, holder)
);

-- One row a worker process; a tombstone stays, so that a frozen one that comes back is told.
create table forebay.worker (
    id text primary key,
    host text not null,
    pid bigint not null,
    started double precision not null,
    until double precision not null,
    state text not null,
    beat bytea not null
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 500);

create table forebay.schedule (
    name text primary key, cron text not null, tz text not null, form bytea not null, missed text not null,
    overlap text not null, next double precision not null, last double precision, paused boolean not null default false,
    declared double precision not null default 0
);

-- Ids that were merged into another message, for as long as their publish may be tried again.
create table forebay.merged (id text primary key, holder text not null, until double precision not null);
create index merged_until on forebay.merged (until);

create table forebay.audit (
    seq bigint generated always as identity primary key, at double precision not null, actor text not null,
    verb text not null, target text not null, detail text not null
);

-- All that is known of a message, wherever it is.
create view forebay.story as
select id, queue, task, state::text as state, attempt, lost, priority, coalesce(home, lane) as lane, key, once, body,
    headers, created, due, expires, leased as started, worker, null::double precision as finished, null::bytea as result,
    cause, failure, progress, seq, lane as place
from forebay.message
union all
select id, queue, task, state, attempt, lost, priority, lane, key, once, body, headers, created, due, expires, started,
    worker, finished, result, cause, failure, progress, n, ''
from forebay.ended;

-- Moving to other stores and from them (flow.crossing): what has left its queue and is not known to have come there yet;
-- what has come and may still stand there; who moves along a route, which is called by the names of both stores: that of
-- this one has no mover, and '' for its route.
create table forebay.passage (
    n bigint generated always as identity primary key, route text not null, id text not null, body bytea not null
) with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create unique index passage_id on forebay.passage (route, id);
create table forebay.mark (route text not null, id text not null, primary key (route, id))
with (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
create table forebay.route (name text primary key, mover text not null, about text not null);
