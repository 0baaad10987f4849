-- Lanes of a queue that bounds something: who stands where, who may go, and gates. The lock of the queue is held by whoever
-- calls what sorts or wakes.

-- Whether a gate of this lane, or of its whole queue, is closed.
create function forebay.shut(queue_ text, lane_ text, t double precision) returns boolean language sql stable as $$
    select exists (
        select from forebay.closed c
        where c.queue = queue_ and c.what in ('', 'lane:' || lane_) and (c.until is null or c.until > t)
    )
$$;

-- flow.lane.place: the lane that a message waits in; `mine` is its own.
create function forebay.place(mine text, task_ text, key_ text, told forebay.told) returns text
language sql immutable as $$
    select case when key_ is not null and told.ordered then '|key:' || key_ else
        mine || case when task_ = any (told.tasks) or (key_ is null and told.fair) then '|task:' || task_ else '' end
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
        queue_, coalesce(b.ordered or b.fair or b.key_rate is not null or b.key_slots is not null, false),
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
        ), coalesce(b.fair, false)
    )::forebay.told
    from (select 1) as one left join forebay.bound b on b.queue = queue_);
end $$;

-- Whether a closed gate holds such a message: flow.lane.shut.
create function forebay.shut(queue_ text, mine text, task_ text, key_ text, t double precision) returns boolean
language sql stable as $$
    select exists (
        select from forebay.closed c where c.queue in ('', queue_) and (c.until is null or c.until > t)
            and c.what in ('', 'lane:' || split_part(mine, '|', 1), 'task:' || task_, 'key:' || key_)
    )
$$;

-- Close a gate. One that this holder has closed already keeps its time, unless it had opened by itself meanwhile.
create function forebay.close_gate(
    queue_ text, what_ text, holder_ text, reason_ text, until_ double precision, now_ double precision default null
) returns void language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
begin
    insert into forebay.queue (name) select queue_ where queue_ <> '' on conflict do nothing;
    insert into forebay.closed as c (queue, what, holder, reason, since, until)
    values (queue_, what_, holder_, reason_, t, until_)
    on conflict (queue, what, holder) do update set
        since = case when c.until is null or c.until > t then c.since else t end, reason = reason_, until = until_;
    if what_ like 'task:%' or what_ like 'key:%' then
        insert into forebay.bound (queue, since) values (queue_, t) on conflict (queue) do update set since = t;
    end if;
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

-- Let ready messages step aside, if they stand elsewhere than they should; of what is in order, none behind `edge`, nor
-- behind one that somebody has locked. Answers how far that went.
create function forebay.step_aside(seqs bigint[], told forebay.told, edge bigint, t double precision)
returns bigint language plpgsql as $$
declare
    mine bigint[];
begin
    select array_agg(l.seq) into mine from (
        select m.seq from forebay.message m where m.seq = any (seqs) and m.state = 1 for update skip locked
    ) as l;
    if told.ordered and coalesce(cardinality(mine), 0) < cardinality(seqs) then
        select least(edge, min(s.seq) - 1) into edge from unnest(seqs) as s (seq) where s.seq <> all (coalesce(mine, '{}'));
    end if;
    with moved as (
        update forebay.message m set
            lane = forebay.place(coalesce(m.home, m.lane), m.task, m.key, told),
            home = nullif(coalesce(m.home, m.lane), forebay.place(coalesce(m.home, m.lane), m.task, m.key, told))
        from (select o.seq, o.lane from forebay.message o where o.seq = any (mine)) as old
        where m.seq = any (array[old.seq]) and (edge is null or m.seq <= edge)
        returning m.lane, old.lane as before, m.key, m.created
    ), told_of as (
        insert into forebay.delta (queue, lane, ready)
        select told.queue, p.lane, sum(p.n) from (
            select moved.before as lane, -count(*) as n from moved group by 1
            union all select moved.lane, count(*) from moved group by 1
        ) as p group by 1, 2
    )
    insert into forebay.apart as a (queue, lane, key, go)
    select told.queue, m.lane, case when strpos(m.lane, '|key:') > 0 then min(m.key) end,
        min(least(m.created, t)) - 1e10
    from moved m where strpos(m.lane, '|key:') > 0 or strpos(m.lane, '|task:') > 0 group by m.lane
    on conflict (queue, lane) do update set go = coalesce(a.go, excluded.go), waits = null
    where (a.go is null and a.waits is null) or (told.ordered and a.waits is not null);  -- another may be first now
    return edge;
end $$;

-- Sort what is at the front of the lanes of a queue, a bite of each; and wake those in which something has happened.
create function forebay.sort(told forebay.told, t double precision) returns void language plpgsql as $$
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

-- What waits for a gate that is open, for a meter that has room, or for room for slow lanes, goes on; when the first of
-- those meters may have some.
create function forebay.wake(told forebay.told, whats text[], t double precision, out again double precision)
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
                    m, case when m.slots is null then 0 else forebay.running(m.name, m.queue) end, t, most, 1
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
