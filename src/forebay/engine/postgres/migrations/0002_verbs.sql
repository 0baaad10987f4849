-- The verbs that are called most, each one round trip. Whoever calls them from another language gives no `now_`: it is
-- the server's own then, seconds since the epoch. Bodies and headers are MessagePack. Who leases sets what Forebay sets
-- for its sessions (wire.py), so that no plan reads a whole table; that is not done here, for it costs more than a verb.

-- Accept messages that differ in id and body alone; answers which of the ids were known already, null for none.
create function forebay.publish(
    ids text[], bodies bytea[], queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    delay_ double precision default 0, due_ double precision default null, ttl_ double precision default null,
    key_ text default null, once_ text default null, headers_ bytea default null, attempt_ bigint default 0,
    lost_ bigint default 0, created_ double precision default null, failure_ bytea default null,
    now_ double precision default null
) returns text[] language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    born double precision := least(coalesce(created_, t), t);
    start double precision := coalesce(due_, t + delay_);
    life double precision := ttl_;
    accepted integer;
    fresh text[];
    known text[];
begin
    if life is null then
        select q.ttl into life from forebay.queue q where q.name = queue_;
        if not found then
            insert into forebay.queue (name) values (queue_) on conflict do nothing;
        end if;
    end if;
    if not exists (select from forebay.lane l where l.queue = queue_ and l.lane = lane_ and l.priority = priority_) then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
        insert into forebay.lane (queue, lane, priority) values (queue_, lane_, priority_) on conflict do nothing;
    end if;
    with new as (
        insert into forebay.message (
            id, queue, lane, task, state, back, priority, created, due, expires, key, once, headers, attempt, lost,
            failure, body
        )
        select new.id, queue_, lane_, task_, case when start > t then 0 else 1 end, start > t or born < t, priority_,
            born, case when start > t then start when born < t then born end, born + life, key_, once_, headers_,
            attempt_, lost_, failure_, new.body
        from unnest(ids, bodies) with ordinality as new (id, body, n) order by new.n
        on conflict (id) do nothing returning id
    )
    select array_agg(new.id) into fresh from new;
    -- in a look that comes after: an end that was under way when the id was free in the one table is in the other now
    select array_agg(e.id) into known from forebay.ended e where e.id = any (ids);
    if known is not null then
        delete from forebay.message m where m.id = any (known) and m.id = any (fresh);
        fresh := array(select n.id from unnest(fresh) as n (id) where n.id <> all (known));
    end if;
    accepted := coalesce(cardinality(fresh), 0);
    if accepted < cardinality(ids) then
        select array_agg(i.id) into known from unnest(ids) as i (id) where i.id <> all (coalesce(fresh, '{}'));
    end if;
    if accepted > 0 then
        insert into forebay.delta (queue, lane, published, ready, scheduled)
        values (queue_, lane_, accepted, case when start <= t then accepted end, case when start > t then accepted end);
    end if;
    return known;
end $$;

-- As `publish`, of one message that asks for nothing special; whether it was accepted.
create function forebay.publish_one(
    id_ text, body_ bytea, queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    ttl_ double precision default null, key_ text default null, headers_ bytea default null,
    now_ double precision default null
) returns boolean language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
begin
    if not exists (select from forebay.lane l where l.queue = queue_ and l.lane = lane_ and l.priority = priority_) then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
        insert into forebay.lane (queue, lane, priority) values (queue_, lane_, priority_) on conflict do nothing;
    end if;
    with new as (
        insert into forebay.message (id, queue, lane, task, state, priority, created, expires, key, headers, body)
        values (
            id_, queue_, lane_, task_, 1, priority_, t,
            t + coalesce(ttl_, (select q.ttl from forebay.queue q where q.name = queue_)), key_, headers_, body_
        )
        on conflict (id) do nothing returning 1
    )
    insert into forebay.delta (queue, lane, published, ready) select queue_, lane_, 1, 1 from new;
    if not found then
        return false;
    end if;
    if exists (select from forebay.ended e where e.id = id_) then  -- as in `publish`, in a look that comes after
        delete from forebay.message m where m.id = id_;
        insert into forebay.delta (queue, lane, published, ready) values (queue_, lane_, -1, -1);
        return false;
    end if;
    return true;
end $$;

-- Accept one with a unique key, or merge it into one that waits; answers its fate (0 accepted, 1 duplicate, 2 merged)
-- and the id of the one that stands for it.
create function forebay.publish_once(
    id_ text, body_ bytea, queue_ text, task_ text, lane_ text, priority_ bigint, delay_ double precision,
    due_ double precision, ttl_ double precision, key_ text, once_ text, headers_ bytea, attempt_ bigint, lost_ bigint,
    created_ double precision, failure_ bytea, debounce_ double precision, max_wait_ double precision,
    merged_for_ double precision, now_ double precision default null, out fate integer, out holder text
) language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    held forebay.message;
    life double precision;
begin
    perform pg_advisory_xact_lock(hashtextextended(once_, 4670));
    fate := 1;
    holder := id_;
    if exists (select from forebay.message m where m.id = id_) or exists (select from forebay.ended e where e.id = id_) then
        return;
    end if;
    if debounce_ > 0 then
        select m.holder into holder from forebay.merged m where m.id = id_;
        if found then
            fate := 2;
            return;
        end if;
        holder := id_;
    end if;
    -- Only what is to be changed is locked, for this may be a part of a longer transaction: nobody has to wait for it to
    -- settle what runs. One that is on its way out while we wait for it is none.
    loop
        exit when debounce_ <= 0;
        select * into held from forebay.message m where m.once = once_ and m.state <> 2 order by m.seq limit 1 for update;
        exit when found or not exists (select from forebay.message m where m.once = once_ and m.state <> 2);
    end loop;
    if held.seq is null then
        select * into held from forebay.message m where m.once = once_ order by m.state = 2, m.seq limit 1;
    end if;
    if held.seq is null or (debounce_ > 0 and held.state = 2) then
        fate := case when forebay.publish(
            array[id_], array[body_], queue_, task_, lane_, priority_, delay_,
            case when debounce_ > 0 then least(t + debounce_, t + max_wait_) else due_ end, ttl_, key_, once_, headers_,
            attempt_, lost_, created_, failure_, t
        ) is null then 0 else 1 end;
        return;
    end if;
    holder := held.id;
    if debounce_ <= 0 or held.queue <> queue_ or held.task <> task_ then
        return;
    end if;
    fate := 2;
    life := coalesce(ttl_, (select q.ttl from forebay.queue q where q.name = held.queue));
    perform forebay.merge(held, body_, headers_, t + life, debounce_, max_wait_, t);
    insert into forebay.merged (id, holder, until) values (id_, held.id, t + merged_for_);
end $$;

-- Newer arguments for one that waits; what was tried were other arguments. One behind a closed gate stays where it is.
create function forebay.merge(
    held forebay.message, body_ bytea, headers_ bytea, expires_ double precision, debounce_ double precision,
    max_wait_ double precision, t double precision
) returns void language plpgsql as $$
declare
    tried boolean := held.attempt > 0;
    born double precision := case when tried then t else held.created end;
    shut boolean := held.state = 1 and forebay.shut(held.queue, held.lane, t);
begin
    update forebay.message m set
        body = body_, headers = headers_, expires = expires_, created = born,
        due = case when shut then held.due else least(t + debounce_, born + max_wait_) end,
        back = true, state = case when shut then 1 else 0 end, cause = case when shut then held.cause end,
        attempt = case when tried then 0 else held.attempt end, lost = case when tried then 0 else held.lost end,
        failure = case when tried then null else held.failure end,
        progress = case when tried then null else held.progress end,
        unknown = case when tried then null else held.unknown end
    where m.seq = held.seq;
    if held.state = 1 and not shut then
        insert into forebay.delta (queue, lane, ready, scheduled) values (held.queue, held.lane, -1, 1);
    end if;
end $$;

-- Whether a gate of this lane, or of its whole queue, is closed.
create function forebay.shut(queue_ text, lane_ text, t double precision) returns boolean language sql stable as $$
    select exists (
        select from forebay.closed c
        where c.queue = queue_ and c.what in ('', 'lane:' || lane_) and (c.until is null or c.until > t)
    )
$$;

-- Make ready what is due, and end what waits past its time.
create function forebay.ripen(limit_ integer, keep_ double precision, cause_ text, now_ double precision default null)
returns integer language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    late integer := 0;
begin
    if exists (select from forebay.message m where m.state = 0 and m.due <= t) then
        with ripe as materialized (
            select m.seq from forebay.message m where m.state = 0 and m.due <= t order by m.due limit limit_
            for update skip locked
        ), moved as (
            update forebay.message m set state = 1 from ripe where m.seq = ripe.seq returning m.queue, m.lane
        )
        insert into forebay.delta (queue, lane, scheduled, ready)
        select moved.queue, moved.lane, -count(*), count(*) from moved group by 1, 2;
    end if;
    if exists (select from forebay.message m where m.expires <= t and m.state in (0, 1)) then
        with gone as (
            delete from forebay.message m using (
                select o.seq from forebay.message o where o.expires <= t and o.state in (0, 1) order by o.expires
                limit limit_ for update skip locked
            ) as old where m.seq = old.seq returning m.*
        ), ends as (
            insert into forebay.ended (
                id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, finished, forget,
                key, once, cause, headers, failure, progress
            )
            select id, queue, coalesce(home, lane), task, 'expired', priority, attempt, lost, fence, created, due,
                expires, t, t + keep_, key, once, cause_, headers, failure, progress
            from gone order by seq
        ), told as (
            insert into forebay.delta (queue, lane, scheduled, ready, expired)
            select queue, lane, -count(*) filter (where state = 0), -count(*) filter (where state = 1), count(*)
            from gone group by 1, 2
        )
        select count(*) into late from gone;
    end if;
    return late;
end $$;
