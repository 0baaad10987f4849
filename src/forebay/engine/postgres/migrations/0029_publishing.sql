-- What a producer calls; bodies and headers are MessagePack. Whoever calls it from another language gives no `now_`.

-- Newer arguments for one that waits; what was tried were other arguments. One behind a closed gate stays where it is.
create function forebay.merge(
    held forebay.message, body_ bytea, headers_ bytea, expires_ double precision, debounce_ double precision,
    max_wait_ double precision, t double precision
) returns void language plpgsql as $$
declare
    tried boolean := held.attempt > 0;
    born double precision := case when tried then t else held.created end;
    shut boolean := held.state = 1
        and forebay.shut(held.queue, coalesce(held.home, held.lane), held.task, held.key, t);
begin
    update forebay.message m set
        body = body_, size = case when m.size is not null then octet_length(body_) end, headers = headers_, expires = expires_, created = born,
        due = case when shut then held.due else least(t + debounce_, born + max_wait_) end,
        back = true, holds = null, state = case when shut then 1 else 0 end, cause = case when shut then held.cause end,
        attempt = case when tried then 0 else held.attempt end, lost = case when tried then 0 else held.lost end,
        failure = case when tried then null else held.failure end,
        progress = case when tried then null else held.progress end,
        unknown = case when tried then null else held.unknown end
    where m.seq = any (array[held.seq]);
    if held.state = 1 and not shut then
        insert into forebay.delta (queue, lane, ready, scheduled) values (held.queue, held.lane, -1, 1);
    end if;
    if held.holds then
        insert into forebay.stir (queue, lane) values (held.queue, held.lane);
    end if;
end $$;

-- As `publish`, of one message that asks for nothing special; whether it was accepted, null if its queue has no room.
create function forebay.publish_one(
    id_ text, body_ bytea, queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    ttl_ double precision default null, key_ text default null, headers_ bytea default null,
    now_ double precision default null
) returns boolean language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    bound_ boolean; life double precision; sheds_ boolean; lifo_ boolean; weighs_ boolean; r record; size_ bigint := octet_length(body_);
begin
    select q.ttl, q.on_full is not null, q.on_full = 'shed_oldest', q.lifo, q.most_bytes is not null
    into life, bound_, sheds_, lifo_, weighs_ from forebay.queue q where q.name = queue_;
    if bound_ then
        select * into r from forebay.room(queue_, headers_, 0, t, priority_, size_);
        if (r.n < 1 or size_ > r.most or (size_ > r.fits and r.begins < 0))
            and not exists (select from forebay.message m where m.id = id_)
            and not exists (select from forebay.ended e where e.id = id_)
        then
            return null;
        end if;
    end if;
    if not exists (select from forebay.lane l where l.queue = queue_ and l.lane = lane_ and l.priority = priority_) then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
        insert into forebay.lane (queue, lane, priority) values (queue_, lane_, priority_) on conflict do nothing;
    end if;
    with new as (
        insert into forebay.message (id, queue, lane, task, state, priority, created, expires, key, headers, body, size)
        values (
            id_, queue_, lane_, task_, 1, priority_, t,
            t + coalesce(ttl_, life), key_, headers_, body_, case when weighs_ then size_ end
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
    if lifo_ then
        update forebay.message m set seq = -m.seq where m.id = id_;
    end if;
    if sheds_ then
        perform forebay.shed(queue_, t);
    end if;
    return true;
end $$;

-- Accept messages that differ in id and body alone; answers which of the ids were known already, null for none; and behind
-- a null those for which their queue has no room. mode_: see `room`. behind_: of those that were refused before them, which
-- nothing is to overtake.
create function forebay.publish(
    ids text[], bodies bytea[], queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    delay_ double precision default 0, due_ double precision default null, ttl_ double precision default null,
    key_ text default null, once_ text default null, headers_ bytea default null, attempt_ bigint default 0,
    lost_ bigint default 0, created_ double precision default null, failure_ bytea default null,
    now_ double precision default null, cost_ double precision default null,
    mode_ integer default 0, behind_ bigint default 0
) returns text[] language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    born double precision := least(coalesce(created_, t), t);
    start double precision := coalesce(due_, t + delay_);
    life double precision;
    accepted integer;
    fresh text[];
    known text[];
    bound_ boolean; default_ double precision; r record; refused text[]; sheds_ boolean; lifo_ boolean;
    weighs_ boolean;
begin
    select q.ttl, q.on_full is not null, q.on_full = 'shed_oldest', q.lifo, q.most_bytes is not null
    into default_, bound_, sheds_, lifo_, weighs_ from forebay.queue q where q.name = queue_;
    if not found then
        insert into forebay.queue (name) values (queue_) on conflict do nothing;
    end if;
    life := coalesce(ttl_, default_);
    if bound_ then
        select * into r from forebay.room(queue_, headers_, mode_, t, priority_, octet_length(bodies[1]));
        if r.n < cardinality(ids) or r.most < 9223372036854775807 then  -- what is known takes no room
            refused := array(
                select f.id from (
                    select i.id, i.n, octet_length(i.body) as size,
                        count(*) filter (where octet_length(i.body) <= r.most) over (order by i.n) as nth,
                        behind_ + sum(case when octet_length(i.body) <= r.most then octet_length(i.body) else 0 end)
                            over (order by i.n) as upto
                    from unnest(ids, bodies) with ordinality as i (id, body, n)
                    where not exists (select from forebay.message m where m.id = any (array[i.id]))
                        and not exists (select from forebay.ended e where e.id = any (array[i.id]))
                ) as f
                where f.size > r.most or f.nth > r.n or (f.upto > r.fits and f.upto - f.size > r.begins) order by f.n
            );
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
            lost, failure, body, size
        )
        select new.id, queue_, lane_, task_, case when start > t then 0 else 1 end, start > t or born < t, priority_,
            born, case when start > t then start when born < t then born end, born + life, cost_, key_, once_,
            headers_, attempt_, lost_, failure_, new.body,
            case when weighs_ then octet_length(new.body) end
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
        if lifo_ then
            update forebay.message m set seq = -m.seq where m.id = any (fresh);
        end if;
        insert into forebay.delta (queue, lane, published, ready, scheduled)
        values (queue_, lane_, accepted, case when start <= t then accepted end, case when start > t then accepted end);
    end if;
    if sheds_ and accepted > 0 and mode_ <> 2 then
        perform forebay.shed(queue_, t);
    end if;
    return case when cardinality(refused) > 0 then known || null::text || refused else known end;
end $$;

-- Accept one with a unique key, or merge it into one that waits; answers its fate (0 accepted, 1 duplicate, 2 merged,
-- 3 its queue has no room) and the id of the one that stands for it, or was to.
create function forebay.publish_once(
    id_ text, body_ bytea, queue_ text, task_ text, lane_ text, priority_ bigint, delay_ double precision,
    due_ double precision, ttl_ double precision, key_ text, once_ text, headers_ bytea, attempt_ bigint, lost_ bigint,
    created_ double precision, failure_ bytea, debounce_ double precision, max_wait_ double precision,
    merged_for_ double precision, now_ double precision default null, cost_ double precision default null,
    mode_ integer default 0, behind_ bigint default 0, out fate integer, out holder text
) language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    held forebay.message;
    life double precision; more_ bigint; sheds_ boolean; bound_ bigint; r record;
    known text[];
begin
    perform pg_advisory_xact_lock(hashtextextended('forebay.' || once_, 4670));
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
            attempt_, lost_, created_, failure_, t, cost_, mode_, behind_
        );
        fate := case when known is null then 0 when known[1] is null then 3 else 1 end;
        return;
    end if;
    holder := held.id;
    if debounce_ <= 0 or held.queue <> queue_ or held.task <> task_ then
        return;
    end if;
    more_ := octet_length(body_) - octet_length(held.body);
    select coalesce(ttl_, q.ttl), case when mode_ <> 2 then q.most_bytes end, q.on_full = 'shed_oldest'
    into life, bound_, sheds_ from forebay.queue q where q.name = held.queue;
    if more_ > 0 and bound_ > 0 or behind_ > 0 or octet_length(body_) > bound_ then  -- flow.limit.grown
        select * into r from forebay.room(queue_, headers_, mode_, t, priority_, 0);
        if octet_length(body_) > r.most
            or (behind_ + more_ > r.fits and behind_ - octet_length(held.body) > r.begins)
        then
            fate := 3;
            return;
        end if;
    end if;
    fate := 2;
    perform forebay.merge(held, body_, headers_, t + life, debounce_, max_wait_, t);
    insert into forebay.merged (id, holder, until) values (id_, held.id, t + merged_for_);
    if bound_ > 0 and sheds_ and more_ > 0 then
        perform forebay.shed(queue_, t, held.seq);
    end if;
end $$;
