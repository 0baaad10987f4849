-- What queues bound: rates, slots, and the order of keys; and what they tell apart because of that. flow/grant.py and
-- flow/lane.py are the rule; what stands here too (granted, place) is held equal to them by generated tests.
--
-- A message is put into the lane that it asks for, as everywhere. What its queue tells apart (each key, a task behind a
-- gate) steps aside at the next lease, into a lane of its own that is in `apart` while it holds something. How many run
-- is counted from what runs, so that no slot can leak, and no end has to tell.
--
-- From such a queue one takes at a time: a lease holds the queue's lock, and is a transaction by itself, so that nobody
-- waits for a client. All locks are taken first, in the order of their numbers; after that it waits for nothing.

-- The queues that bound something or tell it apart, as they were declared; '' for all, while a gate is about all.
create table forebay.bound (
    queue text primary key, rate double precision, burst double precision, slots bigint, key_rate double precision,
    key_burst double precision, key_slots bigint, ordered boolean not null default false, since double precision not null,
    latest double precision,  -- when the meter of a key last let something through
    fair boolean not null default false, weights jsonb
);
create table forebay.meter (
    name text primary key, queue text, rate double precision, burst double precision, slots bigint,
    generation bigint not null default 1, tat double precision not null default 0,
    latest double precision  -- when it last let something through
) with (fillfactor = 50);
create index meter_queue on forebay.meter (queue) where queue is not null;

-- Lanes of what is told apart. go: when it may be looked at; 1e10 before the time of its last turn if at any time, so
-- that no date that somebody sets makes it wait; null if it is only there for what the meter of its key has to remember
-- (tat). waits: the gate or meter that is in its way. turn, mean: of a fair queue, see there.
create table forebay.apart (
    queue text not null, lane text not null, key text, go double precision, waits text, tat double precision,
    turn double precision, mean double precision, primary key (queue, lane)
) with (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);
create index apart_go on forebay.apart (queue, go) where waits is null and go is not null;
create index apart_waits on forebay.apart (queue, waits) where waits is not null;
create index apart_past on forebay.apart (queue, coalesce(tat, 0)) where waits is null and go is null;
-- Such lanes in which something has become ready, or may pass, since the last lease. Added to, so that nobody waits.
create table forebay.stir (queue text not null, lane text not null) with (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
create index stir_queue on forebay.stir (queue);

-- What runs on though its message has ended, for it runs at most once: it takes its slots until its worker says so.
create table forebay.lasting (
    seq bigint primary key, fence bigint not null, worker text not null, queue text not null, task text not null, key text,
    mine text not null
);
create index lasting_key on forebay.lasting (queue, key);

-- What was leased and has not started: the rates that it passed get back what it took, at the next lease.
create table forebay.refund (queue text not null, mine text not null, task text not null, key text, cost double precision not null);
create index refund_queue on forebay.refund (queue);

-- Of a fair queue, what its lanes have in common (flow.fair.Common).
create table forebay.fair (
    queue text primary key, clock double precision not null, usual double precision, recent jsonb not null default '[]',
    needed double precision not null default 0
);
-- What has run in such lanes, and what they were charged for it; until the next lease.
create table forebay.ran (queue text not null, lane text not null, took double precision, charged double precision not null) with (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
create index ran_queue on forebay.ran (queue);

create type forebay.allowance as (n bigint, tat double precision, again double precision);
create type forebay.told as (
    queue text, by_key boolean, ordered boolean, key_rate double precision, key_burst double precision, key_slots bigint,
    tasks text[], keys text[], fair boolean
);
