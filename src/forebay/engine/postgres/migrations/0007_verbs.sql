-- The verbs that are called most, as they are with bounds (0004 to 0006); the others are in 0002 and 0003.

drop function if exists forebay.publish(
    text[], bytea[], text, text, text, bigint, double precision, double precision, double precision, text, text, bytea,
    bigint, bigint, double precision, bytea, double precision
), forebay.publish_once(
    text, bytea, text, text, text, bigint, double precision, double precision, double precision, text, text, bytea,
    bigint, bigint, double precision, bytea, double precision, double precision, double precision, double precision
), forebay.lease(
    text, text[], integer, double precision, jsonb, bigint, bigint, bigint[], text, double precision, jsonb
);
drop function if exists forebay.merge(
    forebay.message, bytea, bytea, double precision, double precision, double precision, double precision
), forebay.ripen(integer, double precision, text, double precision);

-- Accept messages that differ in id and body alone; answers which of the ids were known already, null for none.
create function forebay.publish(
    ids text[], bodies bytea[], queue_ text, task_ text default '', lane_ text default '', priority_ bigint default 0,
    delay_ double precision default 0, due_ double precision default null, ttl_ double precision default null,
    key_ text default null, once_ text default null, headers_ bytea default null, attempt_ bigint default 0,
    lost_ bigint default 0, created_ double precision default null, failure_ bytea default null,
    now_ double precision default null, cost_ double precision default null
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
    return known;
end $$;

-- Accept one with a unique key, or merge it into one that waits; answers its fate (0 accepted, 1 duplicate, 2 merged)
-- and the id of the one that stands for it.
create function forebay.publish_once(
    id_ text, body_ bytea, queue_ text, task_ text, lane_ text, priority_ bigint, delay_ double precision,
    due_ double precision, ttl_ double precision, key_ text, once_ text, headers_ bytea, attempt_ bigint, lost_ bigint,
    created_ double precision, failure_ bytea, debounce_ double precision, max_wait_ double precision,
    merged_for_ double precision, now_ double precision default null, cost_ double precision default null,
    out fate integer, out holder text
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
            attempt_, lost_, created_, failure_, t, cost_
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
    shut boolean := held.state = 1
        and forebay.shut(held.queue, coalesce(held.home, held.lane), held.task, held.key, t);
begin
    update forebay.message m set
        body = body_, headers = headers_, expires = expires_, created = born,
        due = case when shut then held.due else least(t + debounce_, born + max_wait_) end,
        back = true, holds = null, state = case when shut then 1 else 0 end, cause = case when shut then held.cause end,
        attempt = case when tried then 0 else held.attempt end, lost = case when tried then 0 else held.lost end,
        failure = case when tried then null else held.failure end,
        progress = case when tried then null else held.progress end,
        unknown = case when tried then null else held.unknown end
    where m.seq = held.seq;
    if held.state = 1 and not shut then
        insert into forebay.delta (queue, lane, ready, scheduled) values (held.queue, held.lane, -1, 1);
    end if;
    if held.holds then
        insert into forebay.stir (queue, lane) values (held.queue, held.lane);
    end if;
end $$;

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
            update forebay.message m set state = 1 from ripe where m.seq = ripe.seq
            returning m.queue, m.lane, m.home
        ), stirred as (
            insert into forebay.stir (queue, lane)
            select distinct moved.queue, moved.lane from moved where moved.home is not null
        )
        insert into forebay.delta (queue, lane, scheduled, ready)
        select moved.queue, moved.lane, -count(*), count(*) from moved group by 1, 2;
    end if;
    if exists (select from forebay.message m where m.expires <= t and m.state in (0, 1)) then
        with old as materialized (
            select o.seq from forebay.message o where o.expires <= t and o.state in (0, 1) order by o.expires
            limit limit_ for update skip locked
        ), gone as (
            delete from forebay.message m using old where m.seq = old.seq returning m.*
        ), ends as (
            insert into forebay.ended (
                id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, finished, forget,
                key, once, cause, headers, failure, progress
            )
            select id, queue, coalesce(home, lane), task, 'expired', priority, attempt, lost, fence, created, due,
                expires, t, t + keep_, key, once, cause_, headers, failure, progress
            from gone order by seq
        ), stirred as (
            insert into forebay.stir (queue, lane) select distinct gone.queue, gone.lane from gone where gone.home is not null
        ), told as (
            insert into forebay.delta (queue, lane, scheduled, ready, expired)
            select queue, lane, -count(*) filter (where state = 0), -count(*) filter (where state = 1), count(*)
            from gone group by 1, 2
        )
        select count(*) into late from gone;
    end if;
    return late;
end $$;

-- Take up to `limit_` messages that are due, open and waiting. No row: this worker has no lease. The last row is no
-- message: `attempt` is how many lanes were visited, `created` now, `expires` when something is due next, `stop` what this worker runs and has to stop.
-- `seq` and `fence` are the first transaction that had not begun, and the oldest that had not ended.
-- floors_: by queue, lane and priority, the number below which nothing is ready for the first time.
-- `task`: which of the queues bound something, null if that was not looked at; from those only a call that is `alone_` in its transaction takes, for others wait until its end.
-- visit_: a number of this call; with `again_`, what earlier ones took whose answer did not arrive comes first.
create function forebay.lease(
    worker_ text, queues_ text[], limit_ integer, keep_ double precision default 3600, caps_ jsonb default null,
    turn_ bigint default 0, visit_ bigint default null, again_ bigint[] default null,
    cause_ text default 'waited past its time', now_ double precision default null, floors_ jsonb default '{}',
    alone_ boolean default true
) returns setof forebay.leased language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    queues text[]; lanes text[]; back boolean[];
    hungry integer[]; still integer[];
    stop_ text[];
    taken integer := 0; visits integer := 0; got integer; more integer;
    share integer; n integer; i integer; room integer; level bigint; floor_ bigint;
    bounds boolean; bounded text[]; chosen record; later double precision;
begin
    select exists (select from forebay.bound) or exists (select from forebay.stir) into bounds
    from forebay.worker w where w.id = worker_ and w.until > t and w.state <> 'buried';
    if not found then
        return;
    end if;
    select array_agg(m.id) into stop_ from forebay.message m where m.worker = worker_ and m.cancel;  -- by that index
    if again_ is not null then
        return query select m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires,
            m.priority, split_part(coalesce(m.home, m.lane), '|', 1), m.key, m.headers, m.unknown, null::text[]
        from forebay.message m where m.worker = worker_ and m.state = 2 and m.visit = any (again_) order by m.seq;
        get diagnostics taken = row_count;
    end if;
    if limit_ > taken then
        perform forebay.ripen(1000, keep_, cause_, t);
        bounded := '{}';
        if bounds then  -- the queues that bound something one by one, all others together; first a share of each
            bounded := array(
                select q.name from unnest(queues_) as q (name)
                where exists (select from forebay.bound b where b.queue in ('', q.name))
                    or exists (select from forebay.stir s where s.queue = q.name)
            );
            queues_ := array(select q.name from unnest(queues_) with ordinality as q (name, n)
                where q.name <> all (bounded) order by q.n);
            if alone_ and bounded <> '{}' then
                perform forebay.lock_all(bounded);
                chosen := forebay.choose_some(
                    bounded, cardinality(bounded) + least(1, cardinality(queues_)), worker_, limit_ - taken, visit_, t, caps_
                );
                return query select * from forebay.started(chosen.seqs);
                taken := taken + coalesce(cardinality(chosen.seqs), 0);
                later := chosen.again; caps_ := chosen.caps_; visits := 1;
            end if;
        end if;
        select array_agg(o.queue order by o.n, o.lane), array_agg(o.lane order by o.n, o.lane),
            array_agg(o.back order by o.n, o.lane)
        into queues, lanes, back from (
            select line.queue, line.lane, line.n, bool_or(line.fresh) as fresh, bool_or(line.back) as back from (
                select l.queue, l.lane, q.n, coalesce((  -- not "exists": a planner may look at all, and hash them
                    select true from forebay.message m
                    where m.state = 1 and not m.back and m.queue = l.queue and m.lane = l.lane
                        and m.priority = l.priority
                        and m.seq >= coalesce((floors_ ->> forebay.line(l.queue, l.lane, l.priority))::bigint, 0) limit 1
                ), false) as fresh, coalesce((
                    select true from forebay.message m
                    where m.state = 1 and m.back and m.queue = l.queue and m.lane = l.lane limit 1
                ), false) as back
                from unnest(queues_) with ordinality as q (name, n) join forebay.lane l on l.queue = q.name
                where not forebay.shut(l.queue, l.lane, t)
            ) as line group by 1, 2, 3
        ) as o where (o.fresh or o.back) and coalesce((caps_ ->> o.lane)::integer, 1) > 0;
        n := coalesce(cardinality(lanes), 0);
        if n > 0 then
            i := (turn_ % n)::integer;
            select array_agg((k + i) % n + 1 order by k) into hungry from generate_series(0, n - 1) as k;
        end if;
        while hungry is not null and taken < limit_ loop
            share := ceil((limit_ - taken)::numeric / least(cardinality(hungry), 16));
            still := null;
            foreach i in array hungry loop
                room := least(share, limit_ - taken, (caps_ ->> lanes[i])::integer);
                exit when taken >= limit_;
                continue when room <= 0;
                visits := visits + 1;
                got := 0;
                for level, floor_ in
                    select l.priority, coalesce((floors_ ->> forebay.line(l.queue, l.lane, l.priority))::bigint, 0)
                    from forebay.lane l where l.queue = queues[i] and l.lane = lanes[i] order by l.priority desc
                loop
                    exit when got >= room;
                    if back[i] then
                        return query select * from forebay.take_back(
                            worker_, queues[i], lanes[i], level, floor_, room - got, visit_, t
                        );
                    else
                        return query with picked as materialized (
                            select m.seq from forebay.message m
                            where m.state = 1 and not m.back and m.queue = queues[i] and m.lane = lanes[i]
                                and m.priority = level and m.seq >= floor_ and (m.expires is null or m.expires > t)
                            order by m.seq limit room - got for update skip locked
                        ), took as (
                            update forebay.message m set state = 2, worker = worker_, fence = m.fence + 1,
                                attempt = m.attempt + 1, leased = t, visit = visit_
                            from picked where m.seq = picked.seq
                            returning m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created,
                                m.expires, m.priority, coalesce(m.home, m.lane), m.key, m.headers, m.unknown, null::text[]
                        )
                        select * from took order by 1;
                    end if;
                    get diagnostics more = row_count;
                    got := got + more;
                end loop;
                taken := taken + got;
                if got > 0 then
                    insert into forebay.delta (queue, lane, ready, running) values (queues[i], lanes[i], -got, got);
                end if;
                if caps_ ? lanes[i] then
                    caps_ := jsonb_set(caps_, array[lanes[i]], to_jsonb((caps_ ->> lanes[i])::integer - got));
                end if;
                if got = room then
                    still := still || i;
                end if;
            end loop;
            hungry := still;
        end loop;
        if alone_ and bounded <> '{}' and cardinality(bounded || queues_) > 1 and taken < limit_ then  -- what is left to whoever has more
            chosen := forebay.choose_some(bounded, 1, worker_, limit_ - taken, visit_, t, caps_);
            return query select * from forebay.started(chosen.seqs);
            later := chosen.again;
        end if;
    end if;
    return next (
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint, null, null, array_to_string(bounded, ','), null,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint, visits, null, t, least(forebay.upcoming(t), later), null,
        null, null, null, null, stop_
    )::forebay.leased;
end $$;

-- The locks of these queues, and of the meters that messages in them name.
create function forebay.lock_all(queues_ text[]) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(l.number) from (
        select forebay.lock_number('queue:' || q.name) as number from unnest(queues_) as q (name)
        union
        select forebay.lock_number(coalesce('queue:' || m.queue, p.part))
        from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
        left join forebay.meter m on m.name = substr(p.part, 7)
        where l.queue = any (queues_) and strpos(l.lane, '|meter:') > 0 and p.part like 'meter:%'
        order by 1
    ) as l;
end $$;

-- `choose` from each of these queues, as if they were `parts` that share the limit.
create function forebay.choose_some(
    bounded text[], parts integer, worker_ text, limit_ integer, visit_ bigint, t double precision,
    inout caps_ jsonb, out seqs bigint[], out again double precision
) language plpgsql as $$
declare
    first integer := floor(random() * parts); room integer; i integer; chosen record;
begin
    for i in 1..cardinality(bounded) loop
        room := least(limit_ - coalesce(cardinality(seqs), 0), (limit_ + (first + i) % parts) / parts);
        if room > 0 then
            chosen := forebay.choose(bounded[i], worker_, room, visit_, t, caps_);
            seqs := seqs || chosen.seqs;
            again := least(again, chosen.again);
            caps_ := chosen.caps_;
        end if;
    end loop;
end $$;

-- What a lease that has just chosen them gives.
create function forebay.started(seqs bigint[]) returns setof forebay.leased language sql stable as $$
    select m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires, m.priority,
        split_part(coalesce(m.home, m.lane), '|', 1), m.key, m.headers, m.unknown, null::text[]
    from forebay.message m where m.seq = any (seqs) order by m.priority desc, m.seq
$$;

-- When the next message is due, or the next gate opens by itself; null for neither.
create or replace function forebay.upcoming(t double precision) returns double precision language plpgsql stable as $$
begin  -- the language SQL would plan anew at each call
    return least(
        (select m.due from forebay.message m where m.state = 0 order by m.due limit 1),
        (select min(c.until) from forebay.closed c where c.until > t)
    );
end $$;
