-- What queues bound: rates, slots, and the order of keys; and what they tell apart because of that. flow/grant.py and
-- flow/lane.py are the rule; what stands here too (granted, place) is held equal to them by generated tests.
--
-- A message is put into the lane that it asks for, as everywhere. What its queue tells apart (each key, a task behind a
-- gate) steps aside at the next lease, into a lane of its own that is in `apart` while it holds something. How many run
-- is counted from what runs, so that no slot can leak, and no end has to tell.
--
-- From such a queue one takes at a time: a lease holds the queue's lock, and is a transaction by itself, so that nobody
-- waits for a client. All locks are taken first, in the order of their numbers; after that it waits for nothing.

-- holds: it has started in an ordered queue and waits again; nobody of its lane goes before it. counted: leased from a queue that counts what runs.
alter table forebay.message add column holds boolean, add column counted boolean;
create index message_counted on forebay.message (queue, key, task) where state = 2 and counted;
create index message_holds on forebay.message (queue, lane, seq) where state in (0, 1) and holds;
-- sorted: below which number a lease has looked at what is in it, and by which rule. served: when it had its last turn.
alter table forebay.lane add column sorted bigint, add column sorted_by text,
    add column served double precision not null default 0;

-- The queues that bound something or tell it apart, as they were declared; '' for all, while a gate is about all.
create table forebay.bound (
    queue text primary key, rate double precision, burst double precision, slots bigint, key_rate double precision,
    key_burst double precision, key_slots bigint, ordered boolean not null default false, since double precision not null,
    latest double precision  -- when the meter of a key last let something through
);
create table forebay.meter (
    name text primary key, queue text, rate double precision, burst double precision, slots bigint,
    generation bigint not null default 1, tat double precision not null default 0,
    latest double precision  -- when it last let something through
) with (fillfactor = 50);
create index meter_queue on forebay.meter (queue) where queue is not null;

-- Lanes of what is told apart. go: when it may be looked at; 1e10 before the time of its last turn if at any time, so
-- that no date that somebody sets makes it wait; null if it is only there for what the meter of its key has to remember
-- (tat). waits: the gate or meter that is in its way.
create table forebay.apart (
    queue text not null, lane text not null, key text, go double precision, waits text, tat double precision,
    primary key (queue, lane)
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

create type forebay.allowance as (n bigint, tat double precision, again double precision);
create type forebay.told as (
    queue text, by_key boolean, ordered boolean, key_rate double precision, key_burst double precision, key_slots bigint,
    tasks text[], keys text[]
);

-- flow.grant.grant: of `want` messages of `cost` each, how many a meter lets start at t; its tat then; when it lets one
-- more through, null if that takes a free slot.
create function forebay.granted(
    rate double precision, burst double precision, slots bigint, running bigint, tat double precision,
    t double precision, want bigint, cost double precision
) returns forebay.allowance language plpgsql immutable as $$
declare
    a forebay.allowance;
    step double precision := case when rate <> 0 then cost / rate else 0 end;
    first double precision := greatest(tat, t);
    -- 0.1, 1e-6: flow.grant.LATE and _SAME
    ahead double precision := case when burst is null then 0.1 else (greatest(burst, 1) - 1) / nullif(rate, 0) end;
    late double precision := t - (first - ahead) + 1e-6;
begin
    a.n := case when slots is null then want else greatest(0, least(want, slots - running)) end;
    if rate <> 0 then
        a.n := case when late < 0 then 0 when step = 0 then a.n else least(a.n, floor(late / step) + 1) end;
        a.tat := first + a.n * step;
        a.again := a.tat - ahead;
    else
        a.tat := tat;
        a.again := t;
    end if;
    if slots is not null and running + a.n >= slots then
        a.again := null;
    end if;
    return a;
end $$;

-- flow.grant.set_back: by how much the clock was set back since then; all that was written down lies so much too late.
create function forebay.set_back(latest double precision, t double precision) returns double precision
language sql immutable as $$ select case when latest - t > 1 then latest - t else 0 end $$;

-- flow.lane.place: the lane that a message waits in; `mine` is its own.
create function forebay.place(mine text, task_ text, key_ text, told forebay.told) returns text
language sql immutable as $$
    select case when key_ is not null and told.ordered then '|key:' || key_ else
        mine || case when task_ = any (told.tasks) then '|task:' || task_ else '' end
            || case when key_ is not null and (told.by_key or key_ = any (told.keys)) then '|key:' || key_ else '' end
    end
$$;

-- Whether it may stay in a lane: that is its place, or tells more apart than its place does.
create function forebay.belongs(lane_ text, mine text, task_ text, key_ text, told forebay.told) returns boolean
language sql immutable as $$
    select lane_ = forebay.place(mine, task_, key_, told) or (
        lane_ <> mine and not (told.ordered and key_ is not null)
        and (not task_ = any (told.tasks) or strpos(lane_ || '|', '|task:' || task_ || '|') > 0)
        and (key_ is null or not (told.by_key or key_ = any (told.keys)) or right(lane_, 5 + length(key_)) = '|key:' || key_)
    )
$$;

-- What a queue tells apart at t.
create function forebay.told(queue_ text, t double precision) returns forebay.told language plpgsql stable as $$
begin
    return (select (
        queue_, coalesce(b.ordered or b.key_rate is not null or b.key_slots is not null, false),
        coalesce(b.ordered, false), b.key_rate, b.key_burst, case when b.ordered then 1 else b.key_slots end,
        array(
            select substr(c.what, 6) from forebay.closed c
            where c.queue in ('', queue_) and c.what like 'task:%' and (c.until is null or c.until > t)
            union
            select substr(m.name, 7 + length(queue_)) from forebay.meter m where m.queue = queue_ and m.name like 'task:%'
            order by 1
        ), array(
            select substr(c.what, 5) from forebay.closed c
            where c.queue in ('', queue_) and c.what like 'key:%' and (c.until is null or c.until > t)
            union
            select substr(m.name, 6 + length(queue_)) from forebay.meter m where m.queue = queue_ and m.name like 'key:%'
            order by 1
        )
    )::forebay.told
    from (select 1) as one left join forebay.bound b on b.queue = queue_);
end $$;

-- How many run that passed a meter.
create function forebay.running(name_ text, queue_ text) returns bigint language plpgsql stable as $$
begin
    if queue_ is null then
        return (
            select count(*) from forebay.message m where m.state = 2 and m.counted
                and strpos(coalesce(m.home, m.lane) || '|', '|meter:' || name_ || '|') > 0
        ) + (select count(*) from forebay.lasting l where strpos(l.mine || '|', '|meter:' || name_ || '|') > 0);
    elsif name_ like 'key:%' then
        return (
            select count(*) from forebay.message m
            where m.state = 2 and m.counted and m.queue = queue_ and m.key = substr(name_, 6 + length(queue_))
        ) + (
            select count(*) from forebay.lasting l where l.queue = queue_ and l.key = substr(name_, 6 + length(queue_))
        );
    end if;
    return (
        select count(*) from forebay.message m where m.state = 2 and m.counted and m.queue = queue_
            and (name_ like 'queue:%' or m.task = substr(name_, 7 + length(queue_)))
    ) + (
        select count(*) from forebay.lasting l
        where l.queue = queue_ and (name_ like 'queue:%' or l.task = substr(name_, 7 + length(queue_)))
    );
end $$;

-- The number of the lock of a queue, or of a meter that is no queue's.
create function forebay.lock_number(name_ text) returns bigint language sql immutable as $$
    select hashtextextended('forebay.' || name_, 4671)
$$;

-- Whether a closed gate holds such a message: flow.lane.shut.
create function forebay.shut(queue_ text, mine text, task_ text, key_ text, t double precision) returns boolean
language sql stable as $$
    select exists (
        select from forebay.closed c where c.queue in ('', queue_) and (c.until is null or c.until > t)
            and c.what in ('', 'lane:' || split_part(mine, '|', 1), 'task:' || task_, 'key:' || key_)
    )
$$;
