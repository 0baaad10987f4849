-- Fair queues: what changes turns (0012), and what is done elsewhere because of them.

-- What waits for a gate that is open, for a meter that has room, or for room for slow lanes, goes on; when the first of
-- those meters may have some.
create or replace function forebay.wake(told forebay.told, whats text[], t double precision, out again double precision)
language plpgsql as $$
declare
    most constant bigint := 1000;
    what text; room bigint; m forebay.meter; one forebay.allowance;
begin
    for what in
        with recursive thing (waits) as (
            (select a.waits from forebay.apart a where a.queue = told.queue and a.waits is not null order by a.waits limit 1)
            union all
            select (
                select a.waits from forebay.apart a where a.queue = told.queue and a.waits > thing.waits order by a.waits limit 1
            ) from thing where thing.waits is not null
        )
        select waits from thing where waits is not null
    loop
        room := case when substr(what, 6) = any (whats) then 0 else most end;
        if what = 'slow:' then
            room := forebay.slow_room(told, t);
        elsif what like 'meter:%' then
            select * into m from forebay.meter o where o.name = substr(what, 7);
            if found then
                one := forebay.granted(
                    m.rate, m.burst, m.slots, case when m.slots is null then 0 else forebay.running(m.name, m.queue) end,
                    m.tat, t, most, 1
                );
                room := one.n;
                again := least(again, case when room = 0 then one.again end);
            end if;
        end if;
        update forebay.apart a set waits = null, go = coalesce(a.go, t - 1e10) from (
            select o.lane from forebay.apart o where o.queue = told.queue and o.waits = what order by o.turn limit room
        ) as few where a.queue = told.queue and a.lane = few.lane;
    end loop;
end $$;

-- These run from now on.
create or replace function forebay.start(told forebay.told, worker_ text, seqs bigint[], visit_ bigint, t double precision)
returns void language plpgsql as $$
begin
    with took as (
        update forebay.message m set state = 2, worker = worker_, fence = m.fence + 1, attempt = m.attempt + 1, leased = t,
            visit = visit_, counted = true
        where m.seq = any (seqs) and not exists (
            select from forebay.closed c
            where c.queue in ('', told.queue) and (c.until is null or c.until > t) and c.what in (
                '', 'lane:' || split_part(coalesce(m.home, m.lane), '|', 1), 'task:' || m.task, 'key:' || m.key
            )
        ) returning m.lane
    )
    insert into forebay.delta (queue, lane, ready, running)
    select told.queue, took.lane, -count(*), count(*) from took group by 2;
    if told.fair then
        perform forebay.charge(told, seqs, t);
    end if;
end $$;

-- Lanes are charged for what has started, and virtual time goes on.
create function forebay.charge(told forebay.told, seqs bigint[], t double precision) returns void language plpgsql as $$
declare
    weights_ jsonb := coalesce((select b.weights from forebay.bound b where b.queue = told.queue), '{}');
    f forebay.fair;
    clock_ double precision; lanes text[];
begin
    select * into f from forebay.fair o where o.queue = told.queue;
    with started as (
        update forebay.message m set charged = coalesce((
            select a.mean from forebay.apart a where a.queue = told.queue and a.lane = m.lane
        ), f.usual, 0.1)
        where m.seq = any (seqs) and m.state = 2 returning m.lane, m.charged
    ), sums as (
        select s.lane, sum(s.charged) as seconds, max(s.charged) as last from started s group by 1
    ), moved as (
        update forebay.apart a set turn = greatest(a.turn, f.clock) + s.seconds / forebay.weight(a.lane, weights_),
            tat = case when told.key_rate is null then greatest(a.tat, t + 60) else a.tat end
        from sums s where a.queue = told.queue and a.lane = s.lane
        returning a.lane, a.turn - s.last / forebay.weight(a.lane, weights_) as began
    )
    select max(moved.began), array_agg(moved.lane) into clock_, lanes from moved;
    update forebay.fair o set clock = greatest(o.clock, clock_), recent = (
        select jsonb_agg(jsonb_build_array(r.lane, r.at) order by r.at desc, r.lane) from (
            select e.lane, max(e.at) as at from (
                select l.lane, t as at from unnest(lanes) as l (lane)
                union all
                select e.one ->> 0, (e.one ->> 1)::float8 from jsonb_array_elements(f.recent) as e (one)
            ) as e group by 1 order by 2 desc limit 8
        ) as r
    ) where o.queue = told.queue and lanes is not null;
end $$;

-- What has ended since the last lease: turns are corrected by what it took (flow.fair.ended, flow.fair.usual).
create function forebay.count_ran(told forebay.told, t double precision) returns void language plpgsql as $$
declare
    weights_ jsonb;
    f forebay.fair;
    times double precision[];
begin
    if not exists (select from forebay.ran r where r.queue = told.queue) then
        return;
    end if;
    weights_ := coalesce((select b.weights from forebay.bound b where b.queue = told.queue), '{}');
    select * into f from forebay.fair o where o.queue = told.queue;
    with gone as (
        delete from forebay.ran r where r.queue = told.queue
        returning r.lane, case when r.took > 0 and r.took < 1e9 then r.took end as took, r.charged
    ), sums as (
        select g.lane, count(g.took) as n, coalesce(sum(g.took), 0) as took, sum(g.charged) as charged from gone g group by 1
    ), kept as (
        insert into forebay.apart as a (queue, lane, key, turn, mean, tat)
        select told.queue, s.lane, case when strpos(s.lane, '|key:') > 0 then substr(s.lane, strpos(s.lane, '|key:') + 5) end,
            f.clock + (s.took - s.charged) / forebay.weight(s.lane, weights_), s.took / nullif(s.n, 0),
            case when told.key_rate is null then t + 60 end
        from sums s
        on conflict (queue, lane) do update set turn = a.turn + (excluded.turn - f.clock),
            mean = case when excluded.mean is null then a.mean when a.mean is null then excluded.mean
                else excluded.mean + (a.mean - excluded.mean) * power(0.875, (select s.n from sums s where s.lane = a.lane)) end,
            go = a.go, tat = greatest(a.tat, excluded.tat)
    )
    select array_agg(g.took) into times from gone g where g.took is not null;
    if times is null then
        return;
    end if;
    update forebay.fair o set usual = case when o.usual is null then (select min(x) from unnest(times) as x)
        else o.usual * exp(greatest(-1, least(1, 0.2 * (
            0.2 * cardinality(times) - (select count(*) from unnest(times) as x where x < o.usual)
        )))) end
    where o.queue = told.queue;
end $$;

-- Declare what a queue bounds, and whether its keys share the workers.
create function forebay.bind_all(
    queue_ text, rate_ double precision, burst_ double precision, slots_ bigint, key_rate_ double precision,
    key_burst_ double precision, key_slots_ bigint, ordered_ boolean, fair_ boolean, weights_ jsonb, mild_ boolean default false,
    now_ double precision default null
) returns void language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
begin
    perform forebay.bind(
        queue_, rate_, burst_, slots_, key_rate_, key_burst_, key_slots_, ordered_, mild_, now_
    );
    if mild_ and exists (select from forebay.queue q where q.name = queue_ and q.firm) then
        return;
    end if;
    update forebay.bound b set fair = fair_, weights = weights_ where b.queue = queue_;
    if fair_ then
        insert into forebay.fair (queue, clock) values (queue_, t) on conflict do nothing;
        update forebay.apart a set turn = f.clock from forebay.fair f
        where f.queue = queue_ and a.queue = queue_ and a.turn is null;
    elsif exists (select from forebay.fair f where f.queue = queue_) then
        delete from forebay.fair f where f.queue = queue_;
        update forebay.apart a set turn = null, mean = null,
            go = case when a.waits = 'slow:' then t - 1e10 else a.go end, waits = nullif(a.waits, 'slow:')
        where a.queue = queue_ and a.turn is not null;
        delete from forebay.ran r where r.queue = queue_;
    end if;
end $$;

-- What is done: as before, and told to fair queues.
create or replace function forebay.ack(
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
        where m.seq = l.seq and m.fence = l.fence and m.worker || '' = worker_ and m.state + 0 = 2  -- by `seq` alone
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

-- Let go of what queues do not bound or tell apart any more, once nothing is left of it.
create or replace function forebay.unbind(now_ double precision default null) returns void language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    name_ text;
begin
    for name_ in select b.queue from forebay.bound b where b.since < t - 120 order by 1 loop
        continue when not pg_try_advisory_xact_lock(forebay.lock_number('queue:' || name_));
        delete from forebay.apart a
        where a.queue = name_ and a.go is null and a.waits is null and coalesce(a.tat, 0) <= t;
        -- since: whoever needs it from now on has written a new one, which is seen before it is deleted
        delete from forebay.bound b where b.queue = name_ and b.since < t - 120
            and b.key_rate is null and b.key_slots is null and not b.ordered and not b.fair
            and not exists (select from forebay.meter m where m.queue = name_)
            and not exists (select from forebay.closed c where c.queue = name_ and c.what ~ '^(task|key):')
            and not exists (select from forebay.apart a where a.queue = name_)
            and not exists (select from forebay.stir s where s.queue = name_)
            and not exists (select from forebay.lane l where l.queue = name_ and strpos(l.lane, '|meter:') > 0);
    end loop;
end $$;

-- Take up to `limit_` messages from a queue that bounds something; its lock is held. The numbers of what was taken.
create or replace function forebay.choose(
    queue_ text, worker_ text, limit_ bigint, visit_ bigint, t double precision,
    inout caps_ jsonb, out seqs bigint[], out again double precision
) language plpgsql as $$
declare
    told forebay.told := forebay.told(queue_, t);
    whats text[]; seen record; back double precision;
begin
    if t < (select max(b.since) + 60 from forebay.bound b where b.queue in ('', queue_)) then
        perform forebay.recount(queue_);  -- what somebody leased who did not know of it yet
    end if;
    whats := array(
        select c.what from forebay.closed c where c.queue in ('', queue_) and (c.until is null or c.until > t)
    );
    if '' = any (whats) then
        return;
    end if;
    back := forebay.set_back((select b.latest from forebay.bound b where b.queue = queue_), t);
    if back > 0 then
        update forebay.bound b set latest = t where b.queue = queue_;
        update forebay.apart a set tat = a.tat - back, go = case when a.go > 0 then a.go - back else a.go end
        where a.queue = queue_ and (a.tat is not null or a.go > 0);
    end if;
    update forebay.meter m set tat = m.tat - (m.latest - t), latest = t
    where forebay.set_back(m.latest, t) > 0 and (m.queue = queue_ or m.name in (
        select substr(p.part, 7) from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
        where l.queue = queue_ and strpos(l.lane, '|meter:') > 0 and p.part like 'meter:%'
    ));
    if exists (select from forebay.refund r where r.queue = queue_) then
        with gone as (
            delete from forebay.refund r where r.queue = queue_ returning r.*
        ), of_key as (
            select '|key:' || gone.key as lane, sum(gone.cost) as cost from gone where gone.key is not null group by 1
        ), keys as (
            update forebay.apart a set tat = greatest(a.tat - k.cost / told.key_rate, least(a.tat, t)),
                go = case when a.go > 0 then t - 1e10 else a.go end
            from of_key k where told.key_rate <> 0 and a.queue = queue_ and a.lane = k.lane
        ), of_meter as (
            select n.name, sum(gone.cost) as cost from gone, lateral (
                select 'queue:' || queue_ as name union all select 'task:' || queue_ || ':' || gone.task
                union all select 'key:' || queue_ || ':' || gone.key
                union all select substr(p.part, 7) from unnest(string_to_array(gone.mine, '|')) as p (part)
                where p.part like 'meter:%'
            ) as n where n.name is not null group by 1
        )
        update forebay.meter m set tat = greatest(m.tat - o.cost / m.rate, least(m.tat, t))
        from of_meter o where m.name = o.name and m.rate <> 0;
    end if;
    if told.fair then
        perform forebay.count_ran(told, t);
    end if;
    perform forebay.sort(told, t);
    again := forebay.wake(told, whats, t);
    for again_ in 1..4 loop
        seen := forebay.look(
            told, whats, worker_, limit_ - coalesce(cardinality(seqs), 0), visit_, t, caps_
        );
        caps_ := seen.caps_;
        seqs := seqs || seen.seqs;
        exit when not seen.more or cardinality(seqs) >= limit_;
    end loop;
    again := least(again, seen.again, case when seen.more and coalesce(cardinality(seqs), 0) < limit_ then t end, (
        select a.go from forebay.apart a where a.queue = queue_ and a.waits is null and a.go > 0 order by a.go limit 1
    ));
end $$;
