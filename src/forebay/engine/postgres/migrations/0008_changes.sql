-- What changes bounds: queues that are declared, meters that somebody puts, gates. Each is called alone, and takes the
-- lock of its queue, so that no lease is in the middle of it. A change writes no message that waits.

-- A rate that was raised holds at once: nothing is paid for further ahead than one step of the present rate.
create function forebay.set_meter(
    name_ text, queue_ text, rate_ double precision, burst_ double precision, slots_ bigint, t double precision
) returns void language sql as $$
    insert into forebay.meter as m (name, queue, rate, burst, slots) values (name_, queue_, rate_, burst_, slots_)
    on conflict (name) do update set rate = rate_, burst = burst_, slots = slots_, generation = m.generation + 1,
        tat = least(m.tat, t + case when rate_ <> 0 then 1 / rate_ else 0 end)
$$;

-- From now on this queue may bound something, or tell it apart; what runs counts.
create function forebay.mind(queue_ text, t double precision) returns void language sql as $$
    insert into forebay.bound (queue, since) values (queue_, t) on conflict (queue) do update set since = t;
    select forebay.recount(queue_);
$$;

-- Declare what a queue bounds; mildly, if that holds only until a worker has declared it.
create function forebay.bind(
    queue_ text, rate_ double precision, burst_ double precision, slots_ bigint, key_rate_ double precision,
    key_burst_ double precision, key_slots_ bigint, ordered_ boolean, mild_ boolean default false,
    now_ double precision default null
) returns void language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    old forebay.bound;
begin
    insert into forebay.queue (name) values (queue_) on conflict do nothing;  -- which may wait; with the lock nobody does
    perform pg_advisory_xact_lock(forebay.lock_number('queue:' || queue_));
    if mild_ and exists (select from forebay.queue q where q.name = queue_ and q.firm) then
        return;
    end if;
    select * into old from forebay.bound b where b.queue = queue_;
    perform forebay.mind(queue_, t);
    update forebay.bound b set rate = rate_, burst = burst_, slots = slots_, key_rate = key_rate_, key_burst = key_burst_,
        key_slots = key_slots_, ordered = ordered_ where b.queue = queue_;
    if (old.rate, old.burst, old.slots) is distinct from (rate_, burst_, slots_) then
        if rate_ is null and slots_ is null then
            delete from forebay.meter m where m.name = 'queue:' || queue_;
        else
            perform forebay.set_meter('queue:' || queue_, queue_, rate_, burst_, slots_, t);
        end if;
    end if;
    update forebay.apart a set go = case when a.go > 0 or a.waits is not null then t - 1e10 else a.go end, waits = null,
        tat = least(a.tat, t + case when key_rate_ <> 0 then 1 / key_rate_ else 0 end)
    where a.queue = queue_ and (a.go > 0 or a.tat > t or a.waits is not null);
    if ordered_ and old.ordered is not true then  -- all of a key are one line from now on: they stand in it anew
        with moved as (
            update forebay.message m set lane = m.home, home = null from (
                select o.seq, o.lane from forebay.message o, forebay.apart a
                where a.queue = queue_ and a.lane not like '|key:%' and o.queue = queue_ and o.lane = a.lane
                    and o.state = 1 and o.home is not null
                for update of o skip locked
            ) as stood where m.seq = stood.seq and m.state = 1
            returning m.lane, stood.lane as before
        )
        insert into forebay.delta (queue, lane, ready)
        select queue_, p.lane, sum(p.n) from (
            select moved.before as lane, -count(*) as n from moved group by 1
            union all select moved.lane, count(*) from moved group by 1
        ) as p group by 2;
        update forebay.lane l set sorted_by = null where l.queue = queue_;
    end if;
end $$;

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
    perform pg_advisory_xact_lock(forebay.lock_number(coalesce('queue:' || queue_, 'meter:' || name_)));
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
        forebay.lock_number(coalesce('queue:' || forebay.queue_of(name_), 'meter:' || name_))
    );
    delete from forebay.meter m where m.name = name_;
end $$;

-- The queue whose meter this is, by its name; null if it is none of a queue, a task or a key.
create function forebay.queue_of(name_ text) returns text language sql immutable as $$
    select case when name_ ~ '^(queue:|(task|key):[^:]+:)' then nullif(split_part(name_, ':', 2), '') end
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

-- Let go of what queues do not bound or tell apart any more, once nothing is left of it.
create function forebay.unbind(now_ double precision default null) returns void language plpgsql as $$
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
            and b.key_rate is null and b.key_slots is null and not b.ordered
            and not exists (select from forebay.meter m where m.queue = name_)
            and not exists (select from forebay.closed c where c.queue = name_ and c.what ~ '^(task|key):')
            and not exists (select from forebay.apart a where a.queue = name_)
            and not exists (select from forebay.stir s where s.queue = name_)
            and not exists (select from forebay.lane l where l.queue = name_ and strpos(l.lane, '|meter:') > 0);
    end loop;
end $$;

-- All that is known of a message, wherever it is.
create or replace view forebay.story as
select id, queue, task, state::text as state, attempt, lost, priority,
    split_part(coalesce(home, lane), '|', 1) as lane, key, once, body, headers, created, due, expires, leased as started,
    worker, null::double precision as finished, null::bytea as result, cause, failure, progress, seq, lane as place
from forebay.message
union all
select id, queue, task, state, attempt, lost, priority, split_part(lane, '|', 1), key, once, body, headers, created, due,
    expires, started, worker, finished, result, cause, failure, progress, n, ''
from forebay.ended;
