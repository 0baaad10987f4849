-- Fair queues: flow/fair.py is the rule; what stands here too is held to it by the same conformance suite.
--
-- In a fair queue a lane that may go stands at its turn: its `go` is turn - 1e10, whoever writes it. What runs by lane is
-- counted from what runs. Ends are added to `ran`, so that nobody waits for a lease, and counted by the next one.

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

-- flow.fair.weight: of a lane, by the weights of keys.
create function forebay.weight(lane_ text, weights jsonb) returns double precision language sql immutable as $$
    select coalesce((weights ->> case when strpos(lane_, '|key:') > 0 then substr(lane_, strpos(lane_, '|key:') + 5) end)::float8, 1)
$$;

-- How a fair queue stands: what runs by lane, all slots, and how many may run beyond their share (most) and of slow lanes;
-- held, needed: slots that the others hold and need (flow.fair.counted, flow.fair.needed).
create type forebay.standing as (
    runs jsonb, busy bigint, slow bigint, slots bigint, most bigint, total double precision, weights jsonb,
    clock double precision, long double precision, most_slow bigint, held bigint, needed double precision
);

-- Slots that are a lane's due, rounded up; one while it is new.
create function forebay.due(s forebay.standing, weight double precision, mean double precision) returns bigint
language sql immutable as $$
    select case when mean is null then 1 else greatest(1, ceil(s.slots * weight / s.total - 1e-9))::bigint end
$$;

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
    s.needed := coalesce(f.needed, 0);
    if cardinality(known) < 2 or s.slots = 1 then
        s.most := 2147483647;
        s.most_slow := s.most;
    else
        s.most := s.slots - greatest(1, s.slots / 4);
        s.most_slow := least(s.most, s.slots - least(s.slots / 2, floor(s.needed)::bigint + 1));  -- flow.fair.kept
    end if;
    if f.usual is null then
        s.long := null;
    end if;
    select coalesce(sum(least(r.n::bigint, forebay.due(s, forebay.weight(r.lane, s.weights), a.mean))), 0) into s.held
    from jsonb_each_text(s.runs) as r (lane, n) left join forebay.apart a on a.queue = told.queue and a.lane = r.lane
    where coalesce(a.mean < s.long, true);
    return s;
end $$;

-- How many more may start of slow lanes.
create function forebay.slow_room(told forebay.told, t double precision) returns bigint language plpgsql as $$
declare
    s forebay.standing := forebay.standing(told, array(
        select a.lane from forebay.apart a where a.queue = told.queue and a.waits = 'slow:' order by a.turn limit 2
    ), 1, t);
begin
    return least(1000, greatest(0, s.most_slow - s.slow));
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

-- A worker gets nothing of a fair queue ahead of its free slots, unless all that runs of it is short: what it holds would
-- wait for its own long runs, while other workers are free (flow.fair.at_once).
create function forebay.at_once(told forebay.told, worker_ text, asked bigint) returns bigint language plpgsql as $$
declare
    slots_ bigint := (select w.slots from forebay.worker w where w.id = worker_ and told.queue = any (w.serves));
begin
    if coalesce(slots_, 0) <= 0 or not exists (
        select from forebay.message m left join forebay.apart a on a.queue = m.queue and a.lane = m.lane
        where m.state = 2 and m.counted and m.queue = told.queue and (a.mean is null or a.mean >= 0.02)
    ) then
        return asked;
    end if;
    return greatest(0, least(asked, slots_ - (
        select count(*) from forebay.message m where m.state = 2 and m.worker = worker_
    )));
end $$;
