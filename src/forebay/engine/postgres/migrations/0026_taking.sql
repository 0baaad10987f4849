-- How a lease takes from a queue that bounds something, whose lock it holds: sort, wake, look, and take.

-- One look at a queue: take what gates, meters and caps let start, and write down what the lanes wait for that gave none.
-- caps_: the worker's own bounds by lane, counted down. again: when meters let more through. more: another look may find some.
create function forebay.look(
    told forebay.told, whats text[], worker_ text, limit_ bigint, visit_ bigint, t double precision,
    inout caps_ jsonb, out seqs bigint[], out again double precision, out more boolean
) language plpgsql as $$
declare
    own forebay.meter; mine text; name_ text; wait text; h record; one forebay.allowance; i integer; at integer;
    others forebay.meter[]; names text[]; runs bigint[]; passed integer[]; tats double precision[]; own_runs bigint := 0;
    own_tat double precision;
    strays bigint[]; turned text[]; refused boolean[]; lines bigint := 0; key_runs bigint[];
    -- those that go into tables begin at 1, whatever is written first
    lanes text[] := array[null]; gos double precision[] := array[null]; waits text[] := array[null];
    keys text[] := array[null]; key_tats double precision[] := array[null]; spent boolean[] := array[null];
begin
    more := false;
    select * into own from forebay.meter m where m.name = 'queue:' || told.queue;
    if own.slots is not null then
        own_runs := forebay.running(own.name, told.queue);
    end if;
    select array_agg(m order by m.name), array_agg(m.name order by m.name) into others, names from forebay.meter m
    where (m.queue = told.queue and m.name not like 'queue:%') or forebay.payer(m.name) in (
        select substr(p.part, 7) from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
        where l.queue = told.queue and strpos(l.lane, '|meter:') > 0 and p.part like 'meter:%'
    );
    for h in select * from forebay.heads(told, array(
        select c.key from jsonb_each_text(caps_) as c where c.value::bigint <= 0
    ), limit_, t) loop
        i := h.i;
        if h.derived and lanes[i] is null then
            lanes[i] := h.lane; gos[i] := h.go; lines := lines + 1;
        end if;
        continue when refused[i];
        refused[i] := true;  -- unless it gives one
        if h.held is not null then
            gos[i] := h.held;
        end if;
        continue when h.held is not null or h.seq is null or h.front <> h.seq;
        if not forebay.belongs(h.lane, h.mine, h.task, h.key, told) then
            strays := array_append(strays, h.seq);
            refused[i] := false;
            continue;
        end if;
        mine := split_part(h.mine, '|', 1);
        continue when (caps_ ->> mine)::bigint <= 0;
        wait := case when 'lane:' || mine = any (whats) then 'lane:' || mine when 'task:' || h.task = any (whats)
            then 'task:' || h.task when 'key:' || h.key = any (whats) then 'key:' || h.key end;
        if wait is not null then
            waits[i] := 'gate:' || wait;
            continue;
        end if;
        if own.name is not null then
            one := forebay.granted(own.rate, own.burst, own.slots, own_runs, own.tat, t, 1, h.cost);
            own_tat := one.tat;
            if one.n = 0 then
                again := least(again, one.again);
                exit;
            end if;
        end if;
        passed := null;
        if others is not null then
            foreach name_ in array array(
                select n.name from unnest(string_to_array(h.mine, '|')) as p (part), unnest(names) as n (name)
                where p.part like 'meter:%' and forebay.payer(n.name) = substr(p.part, 7)
            ) || array['task:' || told.queue || ':' || h.task, 'key:' || told.queue || ':' || h.key] loop
                at := array_position(names, name_);
                continue when at is null;
                if runs[at] is null then
                    runs[at] := case when others[at].slots is null then 0
                        else forebay.running(name_, others[at].queue) end;
                end if;
                one := forebay.granted(others[at], runs[at], t, 1, h.cost);
                if one.n = 0 then
                    wait := 'meter:' || name_;
                    again := least(again, one.again);
                    exit;
                end if;
                passed := array_append(passed, at);
                tats[at] := one.tat;
            end loop;
            if wait is not null then
                waits[i] := wait;
                continue;
            end if;
        end if;
        if told.by_key and h.key is not null then
            if keys[h.ki] is null then
                keys[h.ki] := h.key; key_runs[h.ki] := coalesce(h.busy, 0); key_tats[h.ki] := coalesce(h.tat, 0);
            end if;
            one := forebay.granted(
                told.key_rate, told.key_burst, told.key_slots, key_runs[h.ki], key_tats[h.ki], t, 1, h.cost
            );
            if one.n = 0 then
                gos[i] := coalesce(one.again, gos[i]);
                continue;
            end if;
            key_runs[h.ki] := key_runs[h.ki] + 1;
            key_tats[h.ki] := one.tat;
            spent[h.ki] := true;
        end if;
        own.tat := coalesce(own_tat, own.tat);
        own_runs := own_runs + 1;
        foreach at in array coalesce(passed, '{}') loop
            others[at].tat := tats[at];
            others[at].latest := t;
            runs[at] := runs[at] + 1;
        end loop;
        if caps_ ? mine then
            caps_ := jsonb_set(caps_, array[mine], to_jsonb((caps_ ->> mine)::bigint - 1));
        end if;
        seqs := array_append(seqs, h.seq);
        refused[i] := false;
        if h.derived then
            gos[i] := t - 1e10;
            if told.key_rate <> 0 and h.key is not null then  -- if it is too early for the next, nobody has to look
                one := forebay.granted(told.key_rate, told.key_burst, null, 0, key_tats[h.ki], t, 1, 1);
                gos[i] := case when one.n = 0 then one.again else gos[i] end;
                refused[i] := one.n = 0;
            end if;
        elsif h.several then  -- others want their turn
            turned := array_append(turned, h.lane);
        end if;
        more := more or (h.n = h.share and not (h.derived and told.key_slots = 1));
        exit when cardinality(seqs) >= limit_;
    end loop;
    more := more or strays is not null or lines > limit_ + 15;
    if seqs is not null then
        perform forebay.start(told, worker_, seqs, visit_, t);
        update forebay.lane l set served = t
        where l.queue = told.queue and l.lane = any (turned) and l.served <> t;
        update forebay.meter m set tat = own.tat, latest = t where m.name = own.name and own.rate is not null;
        update forebay.meter m set tat = o.tat, latest = t from unnest(others) as o
        where m.name = o.name and o.latest = t and o.rate is not null;
        update forebay.bound b set latest = t where b.queue = told.queue and told.key_rate is not null;
        insert into forebay.apart as a (queue, lane, key, tat)
        select told.queue, '|key:' || k.key, k.key, k.tat from unnest(keys, key_tats, spent) as k (key, tat, spent)
        where k.spent and told.key_rate is not null
        on conflict (queue, lane) do update set tat = excluded.tat;
    end if;
    perform forebay.rest(told, lanes, gos, waits, t);
    if strays is not null then
        perform forebay.step_aside(strays, told, null, t);
    end if;
end $$;

-- These run from now on. A slot that a call gives back is not for others if its lane was shut in the same step: a lease looks
-- at gates first and counts what runs afterwards, and somebody may have settled in between. So gates are asked once more
-- here, by a statement that sees at least what the counting has seen.
create function forebay.start(told forebay.told, worker_ text, seqs bigint[], visit_ bigint, t double precision)
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

-- What a look leaves behind of lanes: when they may go, what they wait for; those that are empty go away, but for what
-- the meter of a key has to remember.
create function forebay.rest(
    told forebay.told, lanes text[], gos double precision[], waits_ text[], t double precision
) returns void language plpgsql as $$
begin
    update forebay.apart a set
        go = case when s.here then s.go end, waits = case when s.here then s.waits end,
        tat = case when a.tat > t or s.here then a.tat end
    from (
        select s.lane, s.go, s.waits, coalesce((  -- not "exists": a planner may look at all, and hash them
            select true from forebay.message m
            where m.state = 1 and not m.back and m.queue = told.queue and m.lane = s.lane limit 1
        ), (
            select true from forebay.message m
            where m.state = 1 and m.back and m.queue = told.queue and m.lane = s.lane limit 1
        ), false) as here
        from unnest(lanes, gos, waits_) as s (lane, go, waits) where s.lane is not null
        offset 0  -- and looks once at each
    ) as s
    where a.queue = told.queue and a.lane = s.lane
        and (not s.here or a.go is distinct from s.go or a.waits is distinct from s.waits);
    delete from forebay.apart a
    where a.queue = told.queue and a.go is null and a.waits is null and coalesce(a.tat, 0) <= t;
end $$;

-- From a queue that bounds nothing but itself as a whole, and has one line: the first of it, as many as may start, without a
-- look at each. done: false where it is not so simple, and nothing was taken.
create function forebay.take_whole(
    told forebay.told, worker_ text, limit_ bigint, visit_ bigint, t double precision,
    out seqs bigint[], out again double precision, out done boolean
) language plpgsql as $$
declare
    own forebay.meter; one forebay.allowance; runs bigint := 0; costly boolean; most bigint;
begin
    done := false;
    select * into own from forebay.meter m where m.name = 'queue:' || told.queue;
    if own.name is null or told.by_key or told.tasks <> '{}' or told.keys <> '{}'
        or exists (select from forebay.closed c where c.queue in ('', told.queue) and (c.until is null or c.until > t))
        or exists (select from forebay.apart a where a.queue = told.queue)
        or exists (select from forebay.lane l where l.queue = told.queue and l.lane <> '')
    then
        return;
    end if;
    if own.slots is not null then
        runs := forebay.running(own.name, told.queue);
    end if;
    one := forebay.granted(own.rate, own.burst, own.slots, runs, own.tat, t, limit_, 1);
    most := one.n;
    with fresh as materialized (
        select m.seq, m.priority, m.cost from forebay.message m
        where m.state = 1 and not m.back and m.queue = told.queue and m.lane = '' and (m.expires is null or m.expires > t)
        order by m.priority desc, m.seq limit most for update skip locked
    ), back as materialized (
        select m.seq, m.priority, m.cost from forebay.message m
        where m.state = 1 and m.back and m.queue = told.queue and m.lane = '' and (m.expires is null or m.expires > t)
        order by m.priority desc, m.seq limit most for update skip locked
    ), first as (
        select * from (select * from fresh union all select * from back) as f order by f.priority desc, f.seq limit most
    )
    select array_agg(f.seq), coalesce(bool_or(f.cost <> 1), false) into seqs, costly from first f;
    if costly and own.rate is not null then
        seqs := null;
        return;
    end if;
    done := true;
    if coalesce(cardinality(seqs), 0) = most and most < limit_ then
        again := one.again;
    end if;
    if seqs is not null then
        perform forebay.start(told, worker_, seqs, visit_, t);
        one := forebay.granted(own.rate, own.burst, null, 0, own.tat, t, cardinality(seqs), 1);
        update forebay.meter m set tat = one.tat, latest = t where m.name = own.name and own.rate is not null;
    end if;
end $$;

-- Take up to `limit_` messages from a queue that bounds something; its lock is held. The numbers of what was taken.
create function forebay.choose(
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
    where forebay.set_back(m.latest, t) > 0 and (m.queue = queue_ or forebay.payer(m.name) in (
        select substr(p.part, 7) from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
        where l.queue = queue_ and strpos(l.lane, '|meter:') > 0 and p.part like 'meter:%'
    ));
    if exists (select from forebay.refund r where r.queue = queue_) then
        with gone as (
            delete from forebay.refund r where r.queue = queue_ returning r.*
        ), of_key as (
            select '|key:' || gone.key as lane, sum(gone.cost) as cost from gone where gone.key is not null group by 1
        ), keys as (
            update forebay.apart a set tat = greatest(a.tat - k.cost / told.key_rate, least(a.tat, t))
            from of_key k where told.key_rate <> 0 and a.queue = queue_ and a.lane = k.lane
        ), of_meter as (
            select n.name, sum(gone.cost) as cost, count(*) as n from gone, lateral (
                select 'queue:' || queue_ as name union all select 'task:' || queue_ || ':' || gone.task
                union all select 'key:' || queue_ || ':' || gone.key
                union all select substr(p.part, 7) from unnest(string_to_array(gone.mine, '|')) as p (part)
                where p.part like 'meter:%'
            ) as n where n.name is not null group by 1
        )
        update forebay.meter m set tat = greatest(
            m.tat - case when forebay.by_calls(m.name) then o.n else o.cost end / m.rate,
            least(m.tat, forebay.begun(m.name, t))
        )
        from of_meter o where forebay.payer(m.name) = o.name and m.rate <> 0;
        update forebay.apart a set go = t - 1e10 where a.queue = queue_ and a.go > 0;  -- whatever lane waits for its time
    end if;
    if told.fair then
        perform forebay.count_ran(told, t);
        limit_ := forebay.at_once(told, worker_, limit_);
        if limit_ <= 0 then
            return;
        end if;
    end if;
    perform forebay.sort(told, t);
    again := forebay.wake(told, whats, t);
    if caps_ is null or not caps_ ? '' then
        seen := forebay.take_whole(told, worker_, limit_, visit_, t);
        if seen.done then
            seqs := seen.seqs;
            again := least(again, seen.again);
            return;
        end if;
    end if;
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
