-- Queues that hold only so much. What waits is counted from the tallies and what has moved since (0001), however much
-- that is; messages that come back, are due, or are moved here are never asked.
--
-- most: messages that may wait in it, ready or scheduled; most_age: seconds that the oldest ready one may have waited; null
-- for no bound. on_full, patience: what its producers do
-- beyond that; ends of what is shed are kept keep seconds. drain: two counts of how many have left it, each behind its time, and since
-- when it has been full (flow.limit.Drain).
alter table forebay.queue add column most bigint, add column most_bytes bigint, add column most_age double precision,
    add column on_full text, add column patience double precision, add column keep double precision,
    add column drain double precision[];

drop function forebay.publish(
    text[], bytea[], text, text, text, bigint, double precision, double precision, double precision, text, text, bytea,
    bigint, bigint, double precision, bytea, double precision, double precision
), forebay.publish_once(
    text, bytea, text, text, text, bigint, double precision, double precision, double precision, text, text, bytea,
    bigint, bigint, double precision, bytea, double precision, double precision, double precision, double precision,
    double precision
);

-- What waits in a queue, and how many have left it since ever.
create function forebay.level(queue_ text, out n bigint, out drained bigint) language sql stable as $$
    select coalesce(sum(c.ready), 0) + coalesce(sum(c.scheduled), 0),
        coalesce(sum(c.published), 0) - coalesce(sum(c.ready), 0) - coalesce(sum(c.scheduled), 0)
    from (
        select t.ready, t.scheduled, t.published from forebay.tally t where t.queue = queue_
        union all
        select d.ready, d.scheduled, d.published from forebay.delta d where d.queue = queue_
    ) as c
$$;

-- How long the oldest ready message of a queue has waited: of those that are due and have not been looked at since, of
-- those that come back, and of those that wait for the first time the first of each lane and priority.
create function forebay.age(queue_ text, t double precision) returns double precision language sql stable as $$
    select greatest(0, t - coalesce(least(
        (
            select o.due from forebay.message o where o.state = 0 and o.due <= t and o.queue = queue_ order by o.due limit 1
        ), (
            select min(m.since) from (
                select distinct l.lane from forebay.lane l where l.queue = queue_
                union select a.lane from forebay.apart a where a.queue = queue_
            ) as l cross join lateral (
                select coalesce(o.due, o.created) as since from forebay.message o
                where o.state = 1 and o.back and o.queue = queue_ and o.lane = l.lane
                order by coalesce(o.due, o.created) limit 1
            ) as m
        ), (
            select min(m.created) from (
                select l.lane, l.priority from forebay.lane l where l.queue = queue_
                union select a.lane, p.priority from forebay.apart a, forebay.lane p
                where a.queue = queue_ and p.queue = queue_
            ) as l cross join lateral (
                select o.created from forebay.message o
                where o.state = 1 and not o.back and o.queue = queue_ and o.lane = l.lane and o.priority = l.priority
                order by o.seq limit 1
            ) as m
        )
    ), t))
$$;

-- How many more messages a queue with a limit may take in. mode_: 0, who publishes has a lock of the queue until its
-- transaction ends, so that all together stay within the limit; 1, in a transaction of the user's own nobody is held up,
-- and what others have not committed is not seen; 2, they are not new, and come in whatever waits.
create function forebay.room(queue_ text, headers_ bytea, mode_ integer, t double precision) returns bigint
language plpgsql as $$
declare
    q forebay.queue; l record; seen double precision[]; age_ double precision := 0;
begin
    if mode_ = 2 then
        return 9223372036854775807;
    elsif mode_ = 0 then
        perform pg_advisory_xact_lock(hashtextextended(queue_, 4671));
    end if;
    select * into q from forebay.queue one where one.name = queue_;
    select * into l from forebay.level(queue_);
    if q.most_age is not null then
        age_ := forebay.age(queue_, t);
    end if;
    if mode_ = 0 then  -- flow.limit.noted
        seen := coalesce(q.drain, array[t, l.drained, t, l.drained, 0]);
        if t < seen[3] or l.drained < seen[4] then
            seen := array[t, l.drained, t, l.drained, seen[5]];
        elsif t - seen[3] >= 2 and (l.drained - seen[4] >= 20 or t - seen[3] >= 60) then
            seen := array[seen[3], seen[4], t, l.drained, seen[5]];
        end if;
        seen[5] := case
            when l.n >= q.most or age_ > q.most_age then coalesce(nullif(seen[5], 0), t)
            when coalesce(l.n >= q.most * 0.9, false) or coalesce(age_ > q.most_age * 0.9, false) then seen[5]
            else 0 end;
        if seen is distinct from q.drain then
            update forebay.queue one set drain = seen where one.name = queue_;
        end if;
    end if;
    if q.on_full = 'shed_oldest' then
        return 9223372036854775807;
    end if;
    -- flow.limit.reserve, for what running tasks make: they name the one that made it
    if position('\xae666f72656261792d706172656e74'::bytea in headers_) > 0 then
        return case when q.most is null then 9223372036854775807
            else greatest(0, q.most + greatest(100, (q.most + 9) / 10) - l.n) end;
    elsif age_ > q.most_age then
        return 0;
    end if;
    return case when q.most is null then 9223372036854775807 else greatest(0, q.most - l.n) end;
end $$;

-- The oldest that wait in a queue end, as many as there are too many: newer ones have taken their places. What is leased at
-- this moment is passed over.
create function forebay.shed(queue_ text, t double precision) returns void language plpgsql as $$
declare
    keep_ double precision; n_ bigint;
begin
    select q.keep, l.n - q.most into keep_, n_ from forebay.queue q, forebay.level(queue_) l where q.name = queue_;
    if n_ > 0 then
        with old as materialized (  -- once: a join might ask it again, and it would name the next ones
            select o.seq from forebay.message o where o.queue = queue_ and o.state in (0, 1) order by o.seq
            limit n_ for update skip locked
        ), gone as (
            delete from forebay.message m using old where m.seq = old.seq returning m.*
        ), ends as (
            insert into forebay.ended (
                id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, finished, forget,
                key, once, cause, headers, failure, progress
            )
            select id, queue, coalesce(home, lane), task, 'discarded', priority, attempt, lost, fence, created, due,
                expires, t, t + keep_, key, once, 'shed for newer ones: its queue was full', headers, failure, progress
            from gone order by seq
        ), stirred as (
            insert into forebay.stir (queue, lane)
            select distinct gone.queue, gone.lane from gone where gone.home is not null
        )
        insert into forebay.delta (queue, lane, scheduled, ready, discarded)
        select queue, lane, -count(*) filter (where state = 0), -count(*) filter (where state = 1), count(*)
        from gone group by 1, 2;
    end if;
end $$;

-- As `publish`, of one message that asks for nothing special; whether it was accepted, null if its queue has no room.
create or replace function forebay.publish_one(
    id_ text, body_ bytea, queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    ttl_ double precision default null, key_ text default null, headers_ bytea default null,
    now_ double precision default null
) returns boolean language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    bound_ boolean; life double precision; sheds_ boolean;
begin
    select q.ttl, q.on_full is not null, q.on_full = 'shed_oldest' into life, bound_, sheds_ from forebay.queue q where q.name = queue_;
    if bound_ and forebay.room(queue_, headers_, 0, t) < 1
        and not exists (select from forebay.message m where m.id = id_)
        and not exists (select from forebay.ended e where e.id = id_)
    then
        return null;
    end if;
    if not exists (select from forebay.lane l where l.queue = queue_ and l.lane = lane_ and l.priority = priority_) then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
        insert into forebay.lane (queue, lane, priority) values (queue_, lane_, priority_) on conflict do nothing;
    end if;
    with new as (
        insert into forebay.message (id, queue, lane, task, state, priority, created, expires, key, headers, body)
        values (
            id_, queue_, lane_, task_, 1, priority_, t,
            t + coalesce(ttl_, life), key_, headers_, body_
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
    if sheds_ then
        perform forebay.shed(queue_, t);
    end if;
    return true;
end $$;

-- Accept messages that differ in id and body alone; answers which of the ids were known already, null for none; and behind
-- a null those for which their queue has no room. mode_: see `room`.
create function forebay.publish(
    ids text[], bodies bytea[], queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    delay_ double precision default 0, due_ double precision default null, ttl_ double precision default null,
    key_ text default null, once_ text default null, headers_ bytea default null, attempt_ bigint default 0,
    lost_ bigint default 0, created_ double precision default null, failure_ bytea default null,
    now_ double precision default null, cost_ double precision default null,
    mode_ integer default 0
) returns text[] language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    born double precision := least(coalesce(created_, t), t);
    start double precision := coalesce(due_, t + delay_);
    life double precision;
    accepted integer;
    fresh text[];
    known text[];
    bound_ boolean; default_ double precision; room_ bigint; refused text[]; sheds_ boolean;
begin
    select q.ttl, q.on_full is not null, q.on_full = 'shed_oldest' into default_, bound_, sheds_ from forebay.queue q where q.name = queue_;
    if not found then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
    end if;
    life := coalesce(ttl_, default_);
    if bound_ then
        room_ := forebay.room(queue_, headers_, mode_, t);
        if room_ < cardinality(ids) then  -- what is known takes no room
            refused := (array(
                select i.id from unnest(ids) with ordinality as i (id, n)
                where not exists (select from forebay.message m where m.id = i.id)
                    and not exists (select from forebay.ended e where e.id = i.id)
                order by i.n
            ))[room_ + 1:];
            select array_agg(i.id order by i.n), array_agg(i.body order by i.n) into ids, bodies
            from unnest(ids, bodies) with ordinality as i (id, body, n) where i.id <> all (refused);
            if ids is null then
                return null::text || refused;
            end if;
        end if;
    end if;
    if not exists (select from forebay.lane l where l.queue = queue_ and l.lane = lane_ and l.priority = priority_) then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
        insert into forebay.lane (queue, lane, priority) values (queue_, lane_, priority_) on conflict do nothing;
    end if;
    with new as (
        insert into forebay.message (
            id, queue, lane, task, state, back, priority, created, due, expires, cost, key, once, headers, attempt,
            lost, failure, body
        )
        select new.id, queue_, lane_, task_, case when start > t then 0 else 1 end, start > t or born < t, priority_,
            born, case when start > t then start when born < t then born end, born + life, cost_, key_, once_,
            headers_, attempt_, lost_, failure_, new.body
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
    if sheds_ and accepted > 0 and mode_ <> 2 then
        perform forebay.shed(queue_, t);
    end if;
    return case when cardinality(refused) > 0 then known || null::text || refused else known end;
end $$;

-- Accept one with a unique key, or merge it into one that waits; answers its fate (0 accepted, 1 duplicate, 2 merged,
-- 3 its queue has no room) and the id of the one that stands for it.
create function forebay.publish_once(
    id_ text, body_ bytea, queue_ text, task_ text, lane_ text, priority_ bigint, delay_ double precision,
    due_ double precision, ttl_ double precision, key_ text, once_ text, headers_ bytea, attempt_ bigint, lost_ bigint,
    created_ double precision, failure_ bytea, debounce_ double precision, max_wait_ double precision,
    merged_for_ double precision, now_ double precision default null, cost_ double precision default null,
    mode_ integer default 0, out fate integer, out holder text
) language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    held forebay.message;
    life double precision;
    known text[];
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
        known := forebay.publish(
            array[id_], array[body_], queue_, task_, lane_, priority_, delay_,
            case when debounce_ > 0 then least(t + debounce_, t + max_wait_) else due_ end, ttl_, key_, once_, headers_,
            attempt_, lost_, created_, failure_, t, cost_, mode_
        );
        fate := case when known is null then 0 when known[1] is null then 3 else 1 end;
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
