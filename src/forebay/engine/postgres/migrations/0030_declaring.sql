-- What changes bounds: queues that are declared. Each is called alone, and takes the lock of its queue, so that no lease is
-- in the middle of it. A change writes no message that waits.

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
        tat = t + forebay.kept(a.tat - t, old.key_rate, old.key_burst, key_rate_, key_burst_)
    where a.queue = queue_ and (a.go > 0 or a.tat > t or a.waits is not null);
    if ordered_ and old.ordered is not true then  -- all of a key are one line from now on: they stand in it anew
        with moved as (
            update forebay.message m set lane = m.home, home = null from (
                select o.seq, o.lane from forebay.message o, forebay.apart a
                where a.queue = queue_ and a.lane not like '|key:%' and o.queue = queue_ and o.lane = a.lane
                    and o.state = 1 and o.home is not null
                for update of o skip locked
            ) as stood where m.seq = any (array[stood.seq]) and m.state = 1
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
            and b.key_rate is null and b.key_slots is null and not b.ordered and not b.fair
            and not exists (select from forebay.meter m where m.queue = name_)
            and not exists (select from forebay.closed c where c.queue = name_ and c.what ~ '^(task|key):')
            and not exists (select from forebay.apart a where a.queue = name_)
            and not exists (select from forebay.stir s where s.queue = name_)
            and not exists (select from forebay.lane l where l.queue = name_ and strpos(l.lane, '|meter:') > 0);
    end loop;
end $$;
