-- Fair queues: flow.fair is the rule; what stands here too is held to it by the same conformance suite.
--
-- In a fair queue a lane that may go stands at its turn: its `go` is turn - 1e10, whoever writes it. What runs by lane is
-- counted from what runs. Ends are added to `ran`, so that nobody waits for a lease, and counted by the next one.
alter table forebay.bound add column fair boolean not null default false, add column weights jsonb;
alter table forebay.apart add column turn double precision, add column mean double precision;
alter table forebay.message add column charged double precision;  -- seconds that its lane was charged when it started
alter table forebay.worker add column serves text[], add column slots bigint;
alter type forebay.told add attribute fair boolean;
create table forebay.fair (
    queue text primary key, clock double precision not null, usual double precision, recent jsonb not null default '[]'
);
create table forebay.ran (queue text not null, lane text not null, took double precision, charged double precision not null) with (
    autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0
);
create index ran_queue on forebay.ran (queue);
-- who may do something with lanes may do so with these
do $$
declare
    g record;
begin
    for g in
        select case a.grantee when 0 then 'public' else a.grantee::regrole::text end as who, a.privilege_type as what
        from pg_class c, aclexplode(c.relacl) as a where c.oid = 'forebay.apart'::regclass and a.grantee <> c.relowner
    loop
        execute format('grant %s on forebay.fair, forebay.ran to %s', g.what, g.who);
    end loop;
end $$;

-- Where a lane stands in a fair queue; one that comes back joins at the present virtual time.
create function forebay.stand() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        new.turn := coalesce(new.turn, (select f.clock from forebay.fair f where f.queue = new.queue));
    elsif old.go is null and old.waits is null then
        new.turn := greatest(new.turn, (select f.clock from forebay.fair f where f.queue = new.queue));
    end if;
    if new.turn is not null and new.go < 0 then
        new.go := new.turn - 1e10;
    end if;
    return new;
end $$;
create trigger stand_new before insert on forebay.apart for each row execute function forebay.stand();
create trigger stand before update on forebay.apart for each row when (new.turn is not null and new.go < 0)
execute function forebay.stand();

-- What a queue tells apart at t.
create or replace function forebay.told(queue_ text, t double precision) returns forebay.told language plpgsql stable as $$
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

-- flow.lane.place: the lane that a message waits in; `mine` is its own.
create or replace function forebay.place(mine text, task_ text, key_ text, told forebay.told) returns text
language sql immutable as $$
    select case when key_ is not null and told.ordered then '|key:' || key_ else
        mine || case when task_ = any (told.tasks) or (key_ is null and told.fair) then '|task:' || task_ else '' end
            || case when key_ is not null and (told.by_key or key_ = any (told.keys)) then '|key:' || key_ else '' end
    end
$$;

-- flow.fair.weight: of a lane, by the weights of keys.
create function forebay.weight(lane_ text, weights jsonb) returns double precision language sql immutable as $$
    select coalesce((weights ->> case when strpos(lane_, '|key:') > 0 then substr(lane_, strpos(lane_, '|key:') + 5) end)::float8, 1)
$$;

-- How a fair queue stands: what runs by lane, all slots, and how many may run of slow lanes and beyond their share.
create type forebay.standing as (
    runs jsonb, busy bigint, slow bigint, slots bigint, most bigint, total double precision, weights jsonb,
    clock double precision, long double precision
);

-- waiting: lanes of which something may start.
create function forebay.standing(told forebay.told, waiting text[], asked bigint, t double precision)
returns forebay.standing language plpgsql as $$
declare
    s forebay.standing;
    f forebay.fair;
    known text[];
begin
    select * into f from forebay.fair o where o.queue = told.queue;
    s.clock := coalesce(f.clock, t);
    s.long := greatest(0.02, 8 * f.usual);  -- flow.fair.is_slow; null ignored
    s.weights := coalesce((select b.weights from forebay.bound b where b.queue = told.queue), '{}');
    select coalesce(jsonb_object_agg(r.lane, r.n), '{}'), coalesce(sum(r.n), 0),
        coalesce(sum(r.n) filter (where f.usual is not null and a.mean >= s.long), 0)
    into s.runs, s.busy, s.slow from (
        select o.lane, count(*) as n from (
            select m.lane from forebay.message m where m.state = 2 and m.counted and m.queue = told.queue
            union all
            select forebay.place(l.mine, l.task, l.key, told) from forebay.lasting l where l.queue = told.queue
        ) as o group by 1
    ) as r left join forebay.apart a on a.queue = told.queue and a.lane = r.lane;
    select sum(w.slots) into s.slots from forebay.worker w
    where w.until > t and w.state <> 'buried' and told.queue = any (w.serves);
    s.slots := greatest(1, coalesce(nullif(s.slots, 0), s.busy + asked));
    known := array(
        select l.lane from unnest(waiting) as l (lane)
        union select jsonb_object_keys(s.runs)
        union select e.one ->> 0 from jsonb_array_elements(f.recent) as e (one)
        where t - (e.one ->> 1)::float8 > -1 and t - (e.one ->> 1)::float8 < 60
    );
    select coalesce(sum(forebay.weight(k.lane, s.weights)), 1) into s.total from unnest(known) as k (lane);
    s.most := case when cardinality(known) < 2 or s.slots = 1 then 2147483647
        else s.slots - greatest(1, s.slots / 4) end;
    if f.usual is null then
        s.long := null;
    end if;
    return s;
end $$;

-- How many more may start of slow lanes.
create function forebay.slow_room(told forebay.told, t double precision) returns bigint language plpgsql as $$
declare
    s forebay.standing := forebay.standing(told, array(
        select a.lane from forebay.apart a where a.queue = told.queue and a.waits = 'slow:' order by a.turn limit 2
    ), 1, t);
begin
    return least(1000, greatest(0, s.most - s.slow));
end $$;

-- Of a queue that is not fair as before; of a fair one in the order of turns, as far as shares go. Each row that this
-- gives counts as started here: if it is not, the next look has more.
alter function forebay.heads(forebay.told, text[], bigint, double precision) rename to heads_in_turn;
create function forebay.heads(told forebay.told, unwanted text[], limit_ bigint, t double precision)
returns table (
    i bigint, n bigint, share bigint, several boolean, derived boolean, lane text, go double precision, ki bigint, busy bigint,
    tat double precision, held double precision, front bigint, seq bigint, task text, key text, mine text,
    cost double precision
) language plpgsql as $$
#variable_conflict use_column
declare
    s forebay.standing; h record; n_ bigint; aside text[];
begin
    if not told.fair then
        return query select * from forebay.heads_in_turn(told, unwanted, limit_, t);
        return;
    end if;
    s := forebay.standing(told, array(
        select a.lane from forebay.apart a
        where a.queue = told.queue and a.waits is null and a.go < 0 order by a.go limit limit_ + 16
    ), limit_, t);
    for h in
        select o.*, forebay.weight(o.lane, s.weights) as weight, a.mean >= s.long as slow from forebay.heads_in_turn(
            told, unwanted, limit_, t
        ) as o left join forebay.apart a on o.derived and a.queue = told.queue and a.lane = o.lane
        order by greatest(a.turn, s.clock)
            + (o.n - 1) * coalesce(a.mean, s.long / 8, 0.1) / forebay.weight(o.lane, s.weights) nulls first, o.lane, o.n
    loop
        if h.derived and h.seq is not null and h.held is null then
            n_ := coalesce((s.runs ->> h.lane)::bigint, 0);
            if h.slow and s.slow >= s.most then
                aside := array_append(aside, h.lane);
                continue;
            end if;
            continue when not coalesce(h.slow, false) and s.busy >= s.most
                and n_ >= greatest(1, ceil(s.slots * h.weight / s.total - 1e-9));
            s.runs := jsonb_set(s.runs, array[h.lane], to_jsonb(n_ + 1));
            s.busy := s.busy + 1;
            s.slow := s.slow + coalesce(h.slow, false)::integer;
        end if;
        i := h.i; n := h.n; share := h.share; several := h.several; derived := h.derived; lane := h.lane; go := h.go;
        ki := h.ki; busy := h.busy; tat := h.tat; held := h.held; front := h.front; seq := h.seq; task := h.task;
        key := h.key; mine := h.mine; cost := h.cost;
        return next;
    end loop;
    if aside is not null then
        update forebay.apart a set go = null, waits = 'slow:'
        where a.queue = told.queue and a.lane = any (aside)
            and coalesce((s.runs ->> a.lane)::bigint, 0) = (
                select count(*) from forebay.message m
                where m.state = 2 and m.counted and m.queue = told.queue and m.lane = a.lane
            );
    end if;
end $$;
