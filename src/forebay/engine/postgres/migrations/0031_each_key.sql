-- Keys of a provider: what is said of each (model/provider.py, of_each) holds for a key that has no meter of its own. It
-- gets one, of generation 0, when a lease first meets messages of it or it is charged, and loses it when it is idle.

-- Where it is said what the meter of a key may, or a budget beside it; null of any other meter.
create function forebay.of_each(name_ text) returns text language sql immutable as $$
    select case when name_ like 'provider:%~%' then regexp_replace(
        substring(name_ from '^provider:[^~/]*~[^/]+(?:/.*)?$'), '~[^/]+', '~'
    ) end
$$;

-- What changes of a provider's meters is done by one at a time, whatever key it is of.
create function forebay.lock_of(name_ text, queue_ text) returns bigint language sql immutable as $$
    select forebay.lock_number(coalesce('queue:' || queue_, 'meter:' || split_part(forebay.payer(name_), '~', 1)))
$$;

-- Meters of these keys, and the budgets beside them, as is said of each key. The lock is held.
create function forebay.make_keys(names_ text[]) returns void language sql as $$
    insert into forebay.meter (name, rate, burst, slots, generation)
    select n.name || substr(s.name, 1 + length(forebay.payer(s.name))), s.rate, s.burst, s.slots, 0
    from unnest(names_) as n (name) join forebay.meter s on forebay.payer(s.name) = forebay.of_each(n.name)
    where not exists (
        select from forebay.meter m where m.name = n.name || substr(s.name, 1 + length(forebay.payer(s.name)))
    )
    on conflict do nothing
$$;

create or replace function forebay.lock_all(queues_ text[]) returns void language plpgsql as $$
declare
    keys text[];
begin
    perform pg_advisory_xact_lock(l.number) from (
        select forebay.lock_number('queue:' || q.name) as number from unnest(queues_) as q (name)
        union
        select forebay.lock_of(substr(p.part, 7), m.queue)
        from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
        left join forebay.meter m on m.name = substr(p.part, 7)
        where l.queue = any (queues_) and strpos(l.lane, '|meter:') > 0 and p.part like 'meter:%'
        order by 1
    ) as l;
    keys := array(
        select distinct substr(p.part, 7) from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
        where l.queue = any (queues_) and strpos(l.lane, '|meter:provider:') > 0 and p.part like 'meter:provider:%~%'
    );
    if cardinality(keys) > 0 then
        perform forebay.make_keys(keys);
    end if;
end $$;

-- Those of these queues whose locks nobody else holds: they are ours then. Who holds some already waits for no more, for
-- there is no order that all keep then.
create function forebay.lock_free(queues_ text[]) returns text[] language plpgsql as $$
declare
    free text[];
begin
    free := array(
        select f.name from (
            select l.name, bool_and(pg_try_advisory_xact_lock(l.number)) as got from (
                select q.name, forebay.lock_number('queue:' || q.name) as number from unnest(queues_) as q (name)
                union
                select l.queue, forebay.lock_of(substr(p.part, 7), m.queue)
                from forebay.lane l, unnest(string_to_array(l.lane, '|')) as p (part)
                left join forebay.meter m on m.name = substr(p.part, 7)
                where l.queue = any (queues_) and strpos(l.lane, '|meter:') > 0 and p.part like 'meter:%'
            ) as l group by 1
        ) as f where f.got
    );
    perform forebay.lock_all(free);  -- ours already
    return free;
end $$;

create or replace function forebay.put_meter(
    name_ text, rate_ double precision, burst_ double precision, slots_ bigint, generation_ bigint,
    now_ double precision default null
) returns boolean language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    queue_ text := forebay.queue_of(name_);
    keys text[];
begin
    insert into forebay.queue (name) select queue_ where queue_ is not null on conflict do nothing;
    perform pg_advisory_xact_lock(forebay.lock_of(name_, queue_));
    if coalesce((select m.generation from forebay.meter m where m.name = name_), 0) <> generation_ then
        return false;
    end if;
    if name_ like 'provider:%~' or name_ like 'provider:%~/%' then
        keys := array(select m.name from forebay.meter m where m.generation = 0 and forebay.of_each(m.name) = name_);
        perform forebay.set_meter(k.name, null, rate_, burst_, slots_, t) from unnest(keys) as k (name);
        update forebay.meter m set generation = 0 where m.name = any (keys);
    end if;
    perform forebay.set_meter(name_, queue_, rate_, burst_, slots_, t);
    if queue_ is not null then
        perform forebay.mind(queue_, t);
    end if;
    return true;
end $$;

create or replace function forebay.drop_meter(name_ text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(forebay.lock_of(name_, forebay.queue_of(name_)));
    delete from forebay.meter m
    where m.name = name_ or (name_ like 'provider:%~%' and m.generation = 0 and forebay.of_each(m.name) = name_);
end $$;

create or replace function forebay.charge_meter(
    name_ text, cost_ double precision, calls_ bigint default 0, now_ double precision default null
) returns void language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
begin
    perform pg_advisory_xact_lock(forebay.lock_of(name_, forebay.queue_of(name_)));
    perform forebay.make_keys(array[name_]);
    update forebay.meter m set tat = case
        when o.more < 0 then greatest(m.tat + o.more / m.rate, least(m.tat, forebay.begun(m.name, t)))
        else greatest(m.tat, forebay.begun(m.name, t)) + o.more / m.rate end
    from (
        select p.name, case when forebay.by_calls(p.name) then calls_ else cost_ end as more from forebay.meter p
    ) as o where o.name = m.name and m.rate <> 0 and name_ in (m.name, forebay.payer(m.name));
end $$;

-- Meters of keys that remember nothing: the next lease finds them as they were.
create function forebay.forget_keys(now_ double precision default null) returns void language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    idle record;
begin
    for idle in
        select m.name from forebay.meter m where m.generation = 0 and m.tat <= forebay.begun(m.name, t) order by 1 limit 1000
    loop
        continue when not pg_try_advisory_xact_lock(forebay.lock_of(idle.name, null));
        delete from forebay.meter m where m.name = idle.name and m.generation = 0 and m.tat <= forebay.begun(m.name, t);
    end loop;
end $$;
