-- What a worker calls: to take, and to say that it is done. Each is one round trip. Whoever calls it from another language
-- gives no `now_`: it is the server's own then, seconds since the epoch. Who leases sets what Forebay sets for its sessions
-- (wire.py), so that no plan reads a whole table; that is not done here, for it costs more than a verb.

create type forebay.leased as (
    seq bigint, id text, queue text, task text, body bytea, fence bigint, attempt bigint, lost bigint,
    created double precision, expires double precision, priority bigint, lane text, key text, headers bytea,
    unknown double precision, stop text[]
);

-- Take from a lane in which some come back, of one priority: both kinds in one order.
create function forebay.take_back(
    worker_ text, queue_ text, lane_ text, priority_ bigint, floor_ bigint, limit_ integer, visit_ bigint,
    t double precision
) returns setof forebay.leased language plpgsql as $$
begin
    return query with fresh as materialized (
        select m.seq from forebay.message m
        where m.state = 1 and not m.back and m.queue = queue_ and m.lane = lane_ and m.priority = priority_
            and m.seq >= floor_ and (m.expires is null or m.expires > t)
        order by m.seq limit limit_ for update skip locked
    ), back as materialized (
        select m.seq from forebay.message m
        where m.state = 1 and m.back and m.queue = queue_ and m.lane = lane_ and m.priority = priority_
            and (m.expires is null or m.expires > t)
        order by m.seq limit limit_ for update skip locked
    ), picked as materialized (
        select f.seq from (select * from fresh union all select * from back) as f order by f.seq limit limit_
    ), took as (
        update forebay.message m set state = 2, worker = worker_, fence = m.fence + 1, attempt = m.attempt + 1, leased = t,
            visit = visit_
        from picked where m.seq = any (array[picked.seq])
        returning m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires, m.priority,
            coalesce(m.home, m.lane), m.key, m.headers, m.unknown, null::text[]
    )
    select * from took order by 1;
end $$;

-- The name of a line in `floors_`.
create function forebay.line(queue_ text, lane_ text, priority_ bigint) returns text language sql immutable as $$
    select queue_ || ' ' || priority_ || ' ' || lane_
$$;

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

-- The meters that messages in these queues name, as part of a lane's name; the first hundred.
create function forebay.named(queues_ text[]) returns text language plpgsql stable as $$
begin
    return (select string_agg(n.name, '|') from (
        select distinct substr(p.part, 7) as name from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
        where l.queue = any (queues_) and strpos(l.lane, '|meter:') > 0 and p.part like 'meter:%' limit 100
    ) as n);
end $$;

-- Of queues that bound something, behind the first `upto` of them, up to `most` in which there is something to take, or to
-- write down; and behind how many the next ones are. So a lease over hundreds costs what it takes, whatever is ready in
-- them. Not "exists", for a planner may look at all, and hash them.
create function forebay.astir(queues_ text[], most integer, inout upto integer, out ready text[])
language plpgsql stable as $$
declare
    last integer;
begin
    select coalesce(array_agg(s.name order by s.n), '{}'), max(s.n) into ready, last from (
        select q.name, q.n from unnest(queues_) with ordinality as q (name, n) where q.n > upto and coalesce((
            select true from forebay.message m where m.state = 1 and not m.back and m.queue = q.name limit 1
        ), (
            select true from forebay.message m where m.state = 1 and m.back and m.queue = q.name limit 1
        ), (
            select true from forebay.apart a where a.queue = q.name limit 1
        ), (
            select true from forebay.stir s where s.queue = q.name limit 1
        ), (
            select true from forebay.ran r where r.queue = q.name limit 1
        ), (
            select true from forebay.refund r where r.queue = q.name limit 1
        ), false) limit most
    ) as s;
    upto := case when cardinality(ready) = most then last else cardinality(queues_) end;
end $$;

-- `choose` from each of these queues, as if they were `parts` that share the limit. full_: those that may have more.
create function forebay.choose_some(
    bounded text[], parts integer, worker_ text, limit_ integer, visit_ bigint, t double precision,
    inout caps_ jsonb, out seqs bigint[], out again double precision, out full_ text[]
) language plpgsql as $$
declare
    first integer := floor(random() * parts); room integer; i integer; chosen record;
begin
    full_ := '{}';
    for i in 1..cardinality(bounded) loop
        room := least(limit_ - coalesce(cardinality(seqs), 0), (limit_ + (first + i) % parts) / parts);
        if room > 0 then
            chosen := forebay.choose(bounded[i], worker_, room, visit_, t, caps_);
            seqs := seqs || chosen.seqs;
            again := least(again, chosen.again);
            caps_ := chosen.caps_;
            continue when coalesce(cardinality(chosen.seqs), 0) < room;
        end if;
        full_ := full_ || bounded[i];
    end loop;
end $$;

-- What was started of these, as it is handed out.
create function forebay.started(seqs bigint[]) returns setof forebay.leased language sql stable as $$
    select m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires, m.priority,
        split_part(coalesce(m.home, m.lane), '|', 1), m.key, m.headers, m.unknown, null::text[]
    from forebay.message m where m.seq = any (seqs) and m.state = 2 order by m.priority desc, m.seq
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
            update forebay.message m set state = 1 from ripe where m.seq = any (array[ripe.seq])
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
            delete from forebay.message m using old where m.seq = any (array[old.seq]) returning m.*
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

-- When the next message is due, or the next gate opens by itself; null for neither.
create function forebay.upcoming(t double precision) returns double precision language plpgsql stable as $$
begin  -- the language SQL would plan anew at each call
    return least(
        (select m.due from forebay.message m where m.state = 0 order by m.due limit 1),
        (select min(c.until) from forebay.closed c where c.until > t)
    );
end $$;

-- Take up to `limit_` messages that are due, open and waiting. No row: this worker has no lease. The last row is no
-- message: `attempt` is how many lanes were visited, `created` now, `expires` when something is due next, `stop` what this
-- worker runs and has to stop. `seq` and `fence` are the first transaction that had not begun, and the oldest that had not
-- ended.
-- floors_: by queue, lane and priority, the number below which nothing is ready for the first time. Where the newest goes
-- first numbers are counted down, so that some are below zero.
-- `task`: which of the queues bound something, null if that was not looked at; from those only a call that is `alone_` in
-- its transaction takes, for others wait until its end. `lane`: which meters messages name in those of them that were
-- looked at, with | between; null if none was.
-- visit_: a number of this call; with `again_`, what earlier ones took whose answer did not arrive comes first.
create function forebay.lease(
    worker_ text, queues_ text[], limit_ integer, keep_ double precision default 3600, caps_ jsonb default null,
    turn_ bigint default 0, visit_ bigint default null, again_ bigint[] default null,
    cause_ text default 'waited past its time', now_ double precision default null, floors_ jsonb default '{}',
    alone_ boolean default true
) returns setof forebay.leased language plpgsql as $$
declare
    front constant bigint := -9223372036854775808;
    together constant integer := 16;  -- queues that share a lease while they have enough; the turn comes to the others
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    queues text[]; lanes text[]; back boolean[];
    hungry integer[]; still integer[];
    stop_ text[];
    taken integer := 0; visits integer := 0; got integer; more integer;
    share integer; n integer; i integer; room integer; level bigint; floor_ bigint;
    bounds boolean; bounded text[]; astir_ text[] := '{}'; chosen record; later double precision;
    looked integer := 0; these text[]; named_ text;
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
            select coalesce(array_agg(s.name) filter (where s.bounds), '{}'),
                coalesce(array_agg(s.name order by s.n) filter (where not s.bounds), '{}')
            into bounded, queues_ from (
                select q.name, q.n, exists (select from forebay.bound b where b.queue in ('', q.name))
                    or exists (select from forebay.stir s where s.queue = q.name) as bounds
                from unnest(queues_) with ordinality as q (name, n)
            ) as s;
            if alone_ and bounded <> '{}' then  -- some of those in which something waits, others each time
                i := floor(random() * cardinality(bounded));
                bounded := bounded[i + 1:] || bounded[:i];
                select a.ready, a.upto into astir_, looked from forebay.astir(bounded, together, 0) as a;
            end if;
            if astir_ <> '{}' then
                named_ := coalesce(forebay.named(astir_), '');
                perform forebay.lock_all(astir_);
                t := coalesce(now_, extract(epoch from clock_timestamp()));  -- others may have had it for long
                chosen := forebay.choose_some(
                    astir_, cardinality(astir_) + least(1, cardinality(queues_)), worker_, limit_ - taken, visit_, t, caps_
                );
                return query select * from forebay.started(chosen.seqs);
                taken := taken + coalesce(cardinality(chosen.seqs), 0);
                later := chosen.again; caps_ := chosen.caps_; visits := 1; astir_ := chosen.full_;
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
                        and m.seq >= coalesce((floors_ ->> forebay.line(l.queue, l.lane, l.priority))::bigint, front) limit 1
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
                    select l.priority, coalesce((floors_ ->> forebay.line(l.queue, l.lane, l.priority))::bigint, front)
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
                            from picked where m.seq = any (array[picked.seq])
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
        while alone_ and taken < limit_ and looked < cardinality(bounded) loop  -- what is left to others, as far as they are free
            select a.ready, a.upto into these, looked from forebay.astir(bounded, together, looked) as a;
            i := cardinality(these);
            these := forebay.lock_free(these);
            if cardinality(these) < i then
                later := least(later, t + 0.02);  -- whoever holds them may leave some
            end if;
            chosen := forebay.choose_some(
                these, cardinality(these), worker_, limit_ - taken, visit_, t, caps_
            );
            return query select * from forebay.started(chosen.seqs);
            taken := taken + coalesce(cardinality(chosen.seqs), 0);
            later := least(later, chosen.again); caps_ := chosen.caps_; astir_ := astir_ || chosen.full_;
        end loop;
        if cardinality(astir_) > 0 and taken < limit_ then  -- what is left to whoever has more
            chosen := forebay.choose_some(astir_, 1, worker_, limit_ - taken, visit_, t, caps_);
            return query select * from forebay.started(chosen.seqs);
            later := least(later, chosen.again);
        end if;
    end if;
    return next (
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint, null, null, array_to_string(bounded, ','), null,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint, visits, null, t, least(forebay.upcoming(t), later), null,
        named_, null, null, null, stop_
    )::forebay.leased;
end $$;

-- Done: whose lease still holds. Answers the numbers of those that were; null: this worker holds nothing any more.
create function forebay.ack(
    worker_ text, seqs bigint[], fences bigint[], results bytea[] default null, keeps double precision[] default null,
    tooks double precision[] default null, keep_ double precision default 3600, now_ double precision default null
) returns bigint[] language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    done_ bigint[]; ran_ forebay.ran[];
begin
    perform from forebay.worker w where w.id = worker_ and w.until > t and w.state <> 'buried';
    if not found then
        return null;
    end if;
    with gone as (
        delete from forebay.message m
        using unnest(seqs, fences, results, keeps, tooks) with ordinality as l (seq, fence, result, keep, took, n)
        where m.seq = any (array[l.seq]) and m.fence = l.fence and m.worker || '' = worker_ and m.state + 0 = 2  -- by `seq` alone
        returning m.seq, m.id, m.queue, m.lane, coalesce(m.home, m.lane) as home, m.task, m.priority, m.attempt, m.lost,
            m.fence, m.created, m.due, m.expires, m.leased, m.key, m.once, m.headers, m.failure, m.progress, l.result,
            coalesce(l.keep, keep_) as keep, l.took, l.n, m.charged
    ), ends as (
        insert into forebay.ended (
            id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, started, finished,
            forget, worker, key, once, headers, failure, progress, result
        )
        select g.id, g.queue, g.home, g.task, 'done', g.priority, g.attempt, g.lost, g.fence, g.created, g.due, g.expires,
            g.leased, t, t + g.keep, worker_, g.key, g.once, g.headers, g.failure, g.progress, g.result
        from gone g where g.keep > 0 order by g.n
    ), told as (
        insert into forebay.delta (queue, lane, running, done, seconds)
        select g.queue, g.lane, -count(*), count(*), sum(g.took) from gone g group by 1, 2
    )
    select array_agg(g.seq), array_agg((g.queue, g.lane, g.took, g.charged)::forebay.ran) filter (where g.charged is not null)
    into done_, ran_ from gone g;
    if ran_ is not null then
        insert into forebay.ran select r.* from unnest(ran_) as r;
    end if;
    return coalesce(done_, '{}');
end $$;
