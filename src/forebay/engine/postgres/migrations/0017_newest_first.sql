-- What has to know that numbers are counted down where the newest goes first: some are below zero.

create or replace function forebay.lease(
    worker_ text, queues_ text[], limit_ integer, keep_ double precision default 3600, caps_ jsonb default null,
    turn_ bigint default 0, visit_ bigint default null, again_ bigint[] default null,
    cause_ text default 'waited past its time', now_ double precision default null, floors_ jsonb default '{}',
    alone_ boolean default true
) returns setof forebay.leased language plpgsql as $$
declare
    front constant bigint := -9223372036854775808;
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

-- Sort what is at the front of the lanes of a queue, a bite of each; and wake those in which something has happened.
create or replace function forebay.sort(told forebay.told, t double precision) returns void language plpgsql as $$
declare
    bite constant integer := 1000;
    front constant bigint := -9223372036854775808;
    mark text := md5(told::text);
    newest boolean := (select q.lifo from forebay.queue q where q.name = told.queue);
    seqs bigint[]; edge bigint; lanes text[]; levels bigint[]; lasts bigint[];
begin
    if not exists (select from forebay.bound b where b.queue = told.queue) then
        insert into forebay.bound (queue, since) values (told.queue, t) on conflict do nothing;
    end if;
    with gone as (delete from forebay.stir s where s.queue = told.queue returning s.lane)
    insert into forebay.apart as a (queue, lane, key, go)
    select distinct told.queue, gone.lane, case when strpos(gone.lane, '|key:') > 0
        then substr(gone.lane, strpos(gone.lane, '|key:') + 5) end, t - 1e10
    from gone
    on conflict (queue, lane) do update set waits = null, go = case when a.go < 0 then a.go else excluded.go end;
    -- whose time has come takes its turn among the others
    update forebay.apart a set go = a.go - 1e10 where a.queue = told.queue and a.waits is null and a.go > 0 and a.go <= t;
    if not told.by_key and told.tasks = '{}' and told.keys = '{}' then
        return;
    end if;
    with line as materialized (
        select l.lane, l.priority, f.* from forebay.lane l, lateral (
            select m.seq, m.task, m.key, coalesce(m.home, m.lane) as mine from forebay.message m
            where m.state = 1 and not m.back and m.queue = l.queue and m.lane = l.lane and m.priority = l.priority
                and m.seq >= case when l.sorted_by = mark and not newest then l.sorted else front end
            order by m.seq limit bite
        ) as f where l.queue = told.queue
        union all
        select l.lane, null, b.* from (
            select distinct o.lane from forebay.lane o where o.queue = told.queue
        ) as l, lateral (
            select m.seq, m.task, m.key, coalesce(m.home, m.lane) as mine from forebay.message m
            where m.state = 1 and m.back and m.queue = told.queue and m.lane = l.lane
            order by m.priority desc, m.seq limit bite
        ) as b
    ), level as (
        select line.lane, line.priority, max(line.seq) as last, count(*) as n from line group by 1, 2
    )
    select (
        select array_agg(line.seq order by line.seq) from line
        where forebay.place(line.mine, line.task, line.key, told) <> line.lane
    ), (select min(level.last) from level where told.ordered and level.n >= bite), f.lanes, f.levels, f.lasts
    into seqs, edge, lanes, levels, lasts from (
        select array_agg(level.lane) as lanes, array_agg(level.priority) as levels, array_agg(level.last) as lasts
        from level where level.priority is not null
    ) as f;
    if seqs is not null then
        edge := forebay.step_aside(seqs, told, edge, t);
    end if;
    update forebay.lane l set sorted = least(s.last, edge) + 1, sorted_by = mark
    from unnest(lanes, levels, lasts) as s (lane, priority, last)
    where l.queue = told.queue and l.lane = s.lane and l.priority = s.priority;
end $$;

-- How long the oldest ready message of a queue has waited: of those that are due and have not been looked at since, of
-- those that come back, and of those that wait for the first time the first of each lane and priority.
create or replace function forebay.age(queue_ text, t double precision) returns double precision language sql stable as $$
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
            select least(min(m.created), min(m.down)) from (
                select l.lane, l.priority from forebay.lane l where l.queue = queue_
                union select a.lane, p.priority from forebay.apart a, forebay.lane p
                where a.queue = queue_ and p.queue = queue_
            ) as l cross join lateral (
                select (
                    select o.created from forebay.message o
                    where o.state = 1 and not o.back and o.queue = queue_ and o.lane = l.lane and o.priority = l.priority
                        and o.seq > 0 order by o.seq limit 1
                ) as created, (
                    select o.created from forebay.message o
                    where o.state = 1 and not o.back and o.queue = queue_ and o.lane = l.lane and o.priority = l.priority
                        and o.seq < 0 order by o.seq desc limit 1
                ) as down
            ) as m
        )
    ), t))
$$;

-- The oldest that wait in a queue end, as many as there are too many: newer ones have taken their places. What is leased at
-- this moment is passed over.
create or replace function forebay.shed(queue_ text, t double precision) returns void language plpgsql as $$
declare
    keep_ double precision; n_ bigint;
begin
    select q.keep, l.n - q.most into keep_, n_ from forebay.queue q, forebay.level(queue_) l where q.name = queue_;
    if n_ > 0 then
        with up as materialized (  -- once: a join might ask it again, and it would name the next ones
            select o.seq from forebay.message o where o.queue = queue_ and o.state in (0, 1) and o.seq > 0
            order by o.seq limit n_ for update skip locked
        ), down as materialized (
            select o.seq from forebay.message o where o.queue = queue_ and o.state in (0, 1) and o.seq < 0
            order by o.seq desc limit n_ for update skip locked
        ), old as materialized (
            select f.seq from (select * from up union all select * from down) as f order by abs(f.seq) limit n_
        ), gone as (
            delete from forebay.message m using old where m.seq = old.seq returning m.*
        ), ends as (
            insert into forebay.ended (
                id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, finished, forget,
                key, once, cause, headers, failure, progress
            )
            select id, queue, coalesce(home, lane), task, 'discarded', priority, attempt, lost, fence, created, due,
                expires, t, t + keep_, key, once, 'shed for newer ones: its queue was full', headers, failure, progress
            from gone order by abs(seq)
        ), stirred as (
            insert into forebay.stir (queue, lane)
            select distinct gone.queue, gone.lane from gone where gone.home is not null
        )
        insert into forebay.delta (queue, lane, scheduled, ready, discarded)
        select queue, lane, -count(*) filter (where state = 0), -count(*) filter (where state = 1), count(*)
        from gone group by 1, 2;
    end if;
end $$;
