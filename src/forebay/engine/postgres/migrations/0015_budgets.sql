-- Budgets: meters beside that of a provider, whose names tell their windows (model/budget.py, flow/grant.py).

-- The window of a budget, in seconds; null for any other meter.
create function forebay.window_of(name_ text) returns bigint language sql immutable as $$
    select substring(name_ from '^provider:[^/]+/(?:calls/)?([1-9][0-9]{0,8})$')::bigint
$$;

-- Whether it counts messages, whatever they cost.
create function forebay.by_calls(name_ text) returns boolean language sql immutable as $$
    select name_ like 'provider:%/calls/%' and forebay.window_of(name_) is not null
$$;

-- The meter beside which a budget stands: whatever passes that passes it too. Any other meter: itself.
create function forebay.payer(name_ text) returns text language sql immutable as $$
    select case when name_ like 'provider:%/%' and forebay.window_of(name_) is not null then split_part(name_, '/', 1)
        else name_ end
$$;

-- When a meter's clock went on last: that of a budget when its window began.
create function forebay.begun(name_ text, t double precision) returns double precision language sql immutable as $$
    select case when name_ like 'provider:%/%' then coalesce(floor(t / forebay.window_of(name_)) * forebay.window_of(name_), t)
        else t end
$$;

-- flow.grant.grant, of whatever meter.
create function forebay.granted(
    m forebay.meter, running bigint, t double precision, want bigint, cost double precision
) returns forebay.allowance language plpgsql immutable as $$
declare
    at double precision := forebay.begun(m.name, t);
    seconds bigint := case when m.name like 'provider:%/%' then forebay.window_of(m.name) end;
    a forebay.allowance := forebay.granted(
        m.rate, m.burst, m.slots, running, m.tat, at, want, case when forebay.by_calls(m.name) then 1 else cost end
    );
begin
    if seconds is not null then
        a.again := case when a.again is null or a.again <= at + 1e-6 then t
            else at + ceil((a.again - at) / seconds) * seconds end;
    end if;
    return a;
end $$;

-- What a meter has let through stays counted: flow.grant.changed.
create or replace function forebay.set_meter(
    name_ text, queue_ text, rate_ double precision, burst_ double precision, slots_ bigint, t double precision
) returns void language sql as $$
    insert into forebay.meter as m (name, queue, rate, burst, slots) values (name_, queue_, rate_, burst_, slots_)
    on conflict (name) do update set rate = rate_, burst = burst_, slots = slots_, generation = m.generation + 1,
        tat = case when forebay.window_of(name_) is null then least(m.tat, t + case when rate_ <> 0 then 1 / rate_ else 0 end)
            when m.burst > 0 and burst_ > 0 then
                forebay.begun(name_, t) + greatest(0, m.tat - forebay.begun(name_, t)) * m.burst / burst_
            else m.tat end
$$;

-- Add or change a meter; false if it has another generation by now (0: there is none).
create or replace function forebay.put_meter(
    name_ text, rate_ double precision, burst_ double precision, slots_ bigint, generation_ bigint,
    now_ double precision default null
) returns boolean language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    queue_ text := forebay.queue_of(name_);
begin
    insert into forebay.queue (name) select queue_ where queue_ is not null on conflict do nothing;
    perform pg_advisory_xact_lock(forebay.lock_number(coalesce('queue:' || queue_, 'meter:' || forebay.payer(name_))));
    if coalesce((select m.generation from forebay.meter m where m.name = name_), 0) <> generation_ then
        return false;
    end if;
    perform forebay.set_meter(name_, queue_, rate_, burst_, slots_, t);
    if queue_ is not null then
        perform forebay.mind(queue_, t);
    end if;
    return true;
end $$;

-- Remove one: nothing has to pass it any more.
create or replace function forebay.drop_meter(name_ text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(
        forebay.lock_number(coalesce('queue:' || forebay.queue_of(name_), 'meter:' || forebay.payer(name_)))
    );
    delete from forebay.meter m where m.name = name_;
end $$;

-- What has passed a meter has cost that much more, or less; budgets beside it likewise: flow.grant.charged.
create function forebay.charge_meter(
    name_ text, cost_ double precision, calls_ bigint default 0, now_ double precision default null
) returns void language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
begin
    perform pg_advisory_xact_lock(forebay.lock_number(coalesce('queue:' || forebay.queue_of(name_), 'meter:' || name_)));
    update forebay.meter m set tat = case
        when o.more < 0 then greatest(m.tat + o.more / m.rate, least(m.tat, forebay.begun(m.name, t)))
        else greatest(m.tat, forebay.begun(m.name, t)) + o.more / m.rate end
    from (
        select p.name, case when forebay.by_calls(p.name) then calls_ else cost_ end as more from forebay.meter p
    ) as o where o.name = m.name and m.rate <> 0 and forebay.payer(m.name) = name_;
end $$;

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

-- One look at a queue: see 0006. With whatever stands beside a meter.
create or replace function forebay.look(
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
