-- What a worker calls: to take, and to say that it is done.

create type forebay.leased as (
    seq bigint, id text, queue text, task text, body bytea, fence bigint, attempt bigint, lost bigint,
    created double precision, expires double precision, priority bigint, lane text, key text, headers bytea,
    unknown double precision, stop text[]
);

-- Take up to `limit_` messages that are due, open and waiting. No row: this worker has no lease. The last row is no
-- message: `attempt` is how many lanes were visited, `created` now, `expires` when something is due next, `stop` what this worker runs and has to stop.
-- `seq` and `fence` are the first transaction that had not begun, and the oldest that had not ended.
-- floors_: by queue, lane and priority, the number below which nothing is ready for the first time.
-- visit_: a number of this call; with `again_`, what earlier ones took whose answer did not arrive comes first.
create function forebay.lease(
    worker_ text, queues_ text[], limit_ integer, keep_ double precision default 3600, caps_ jsonb default null,
    turn_ bigint default 0, visit_ bigint default null, again_ bigint[] default null,
    cause_ text default 'waited past its time', now_ double precision default null, floors_ jsonb default '{}'
) returns setof forebay.leased language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    queues text[]; lanes text[]; back boolean[];
    hungry integer[]; still integer[];
    stop_ text[];
    taken integer := 0; visits integer := 0; got integer; more integer;
    share integer; n integer; i integer; room integer; level bigint; floor_ bigint;
begin
    perform from forebay.worker w where w.id = worker_ and w.until > t and w.state <> 'buried';
    if not found then
        return;
    end if;
    select array_agg(m.id) into stop_ from forebay.message m where m.worker = worker_ and m.cancel;  -- by that index
    if again_ is not null then
        return query select m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires,
            m.priority, coalesce(m.home, m.lane), m.key, m.headers, m.unknown, null::text[]
        from forebay.message m where m.worker = worker_ and m.state = 2 and m.visit = any (again_) order by m.seq;
        get diagnostics taken = row_count;
    end if;
    if limit_ > taken then
        perform forebay.ripen(1000, keep_, cause_, t);
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
    end if;
    return next (
        pg_snapshot_xmax(pg_current_snapshot())::text::bigint, null, null, null, null,
        pg_snapshot_xmin(pg_current_snapshot())::text::bigint, visits, null, t, forebay.upcoming(t), null, null, null, null, null, stop_
    )::forebay.leased;
end $$;

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
        from picked where m.seq = picked.seq
        returning m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires, m.priority,
            coalesce(m.home, m.lane), m.key, m.headers, m.unknown, null::text[]
    )
    select * from took order by 1;
end $$;

-- The name of a line in `floors_`.
create function forebay.line(queue_ text, lane_ text, priority_ bigint) returns text language sql immutable as $$
    select queue_ || ' ' || priority_ || ' ' || lane_
$$;

-- When the next message is due, or the next gate opens by itself; null for neither.
create function forebay.upcoming(t double precision) returns double precision language sql stable as $$
    select least(
        (select m.due from forebay.message m where m.state = 0 order by m.due limit 1),
        (select min(c.until) from forebay.closed c where c.until > t)
    )
$$;

-- Done: whose lease still holds. Answers the numbers of those that were; null: this worker holds nothing any more.
create function forebay.ack(
    worker_ text, seqs bigint[], fences bigint[], results bytea[] default null, keeps double precision[] default null,
    tooks double precision[] default null, keep_ double precision default 3600, now_ double precision default null
) returns bigint[] language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    done_ bigint[];
begin
    perform from forebay.worker w where w.id = worker_ and w.until > t and w.state <> 'buried';
    if not found then
        return null;
    end if;
    with gone as (
        delete from forebay.message m
        using unnest(seqs, fences, results, keeps, tooks) with ordinality as l (seq, fence, result, keep, took, n)
        where m.seq = l.seq and m.fence = l.fence and m.worker || '' = worker_ and m.state + 0 = 2  -- by `seq` alone
        returning m.seq, m.id, m.queue, m.lane, coalesce(m.home, m.lane) as home, m.task, m.priority, m.attempt, m.lost,
            m.fence, m.created, m.due, m.expires, m.leased, m.key, m.once, m.headers, m.failure, m.progress, l.result,
            coalesce(l.keep, keep_) as keep, l.took, l.n
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
    select array_agg(g.seq) into done_ from gone g;
    return coalesce(done_, '{}');
end $$;
