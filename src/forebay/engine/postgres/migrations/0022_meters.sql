-- Meters: how much may start, and what was counted. Budgets stand beside the meter of a provider; their names tell their
-- windows (model/budget.py). flow/grant.py is the rule.

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

-- flow.grant.grant: of `want` messages of `cost` each, how many a meter lets start at t; its tat then; when it lets one
-- more through, null if that takes a free slot.
create function forebay.granted(
    rate double precision, burst double precision, slots bigint, running bigint, tat double precision,
    t double precision, want bigint, cost double precision
) returns forebay.allowance language plpgsql immutable as $$
declare
    a forebay.allowance;
    step double precision := case when rate <> 0 then cost / rate else 0 end;
    first double precision := greatest(tat, t);
    -- 0.1, 1e-6: flow.grant.LATE and _SAME
    ahead double precision := case when burst is null then 0.1 else (greatest(burst, 1) - 1) / nullif(rate, 0) end;
    late double precision := t - (first - ahead) + 1e-6;
begin
    a.n := case when slots is null then want else greatest(0, least(want, slots - running)) end;
    if rate <> 0 then
        a.n := case when late < 0 then 0 when step = 0 then a.n else least(a.n, floor(late / step) + 1) end;
        a.tat := first + a.n * step;
        a.again := a.tat - ahead;
    else
        a.tat := tat;
        a.again := t;
    end if;
    if slots is not null and running + a.n >= slots then
        a.again := null;
    end if;
    return a;
end $$;

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

-- flow.grant.set_back: by how much the clock was set back since then; all that was written down lies so much too late.
create function forebay.set_back(latest double precision, t double precision) returns double precision
language sql immutable as $$ select case when latest - t > 1 then latest - t else 0 end $$;

-- The number of the lock of a queue, or of a meter that is no queue's.
create function forebay.lock_number(name_ text) returns bigint language sql immutable as $$
    select hashtextextended('forebay.' || name_, 4671)
$$;

-- The queue whose meter this is, by its name; null if it is none of a queue, a task or a key.
create function forebay.queue_of(name_ text) returns text language sql immutable as $$
    select case when name_ ~ '^(queue:|(task|key):[^:]+:)' then nullif(split_part(name_, ':', 2), '') end
$$;

-- What runs of a queue is counted, whoever leased it.
create function forebay.recount(queue_ text) returns void language plpgsql as $$
begin
    update forebay.message m set counted = true from (
        select o.seq from forebay.message o where o.state = 2 and o.queue = queue_ and o.counted is not true
        for update skip locked
    ) as few where m.seq = any (array[few.seq]);
end $$;

-- From now on this queue may bound something, or tell it apart; what runs counts.
create function forebay.mind(queue_ text, t double precision) returns void language sql as $$
    insert into forebay.bound (queue, since) values (queue_, t) on conflict (queue) do update set since = t;
    select forebay.recount(queue_);
$$;

-- How many seconds a meter is ahead of now, once it bounds something else: flow.grant.kept; 0.1: flow.grant.LATE.
create function forebay.kept(
    ahead double precision, rate double precision, burst double precision,
    new_rate double precision, new_burst double precision
) returns double precision language sql immutable as $$
    select case when ahead <= 0 or coalesce(rate, 0) = 0 and new_rate <> 0 then ahead when coalesce(new_rate, 0) = 0 then 0 else (
        select least(ahead, f.was) * f.becomes / f.was + greatest(0, ahead - f.was) * rate / new_rate from (
            select case when burst is null then 0.1 + 1 / rate else greatest(burst, 1) / rate end as was,
                case when new_burst is null then 0.1 + 1 / new_rate else greatest(new_burst, 1) / new_rate end as becomes
        ) as f
    ) end
$$;

-- What a meter has let through stays counted: flow.grant.changed.
create function forebay.set_meter(
    name_ text, queue_ text, rate_ double precision, burst_ double precision, slots_ bigint, t double precision
) returns void language sql as $$
    insert into forebay.meter as m (name, queue, rate, burst, slots) values (name_, queue_, rate_, burst_, slots_)
    on conflict (name) do update set rate = rate_, burst = burst_, slots = slots_, generation = m.generation + 1,
        tat = case when forebay.window_of(name_) is null then
                t + forebay.kept(m.tat - t, m.rate, m.burst, rate_, burst_)
            when m.burst > 0 and burst_ > 0 then
                forebay.begun(name_, t) + greatest(0, m.tat - forebay.begun(name_, t)) * m.burst / burst_
            else m.tat end
$$;

-- Add or change a meter; false if it has another generation by now (0: there is none).
create function forebay.put_meter(
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
create function forebay.drop_meter(name_ text) returns void language plpgsql as $$
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
