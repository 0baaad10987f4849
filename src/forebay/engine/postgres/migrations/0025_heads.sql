-- What may start next in a queue that bounds something: the heads of its lanes, in their order.

-- The first messages of the lanes that may go, locked: those of each lane in their order (n), lanes in turns (i): who
-- had one last comes last.
-- ki: lanes with the same number have the same key; busy: how many of it run; tat: of its meter. held: until when one that
-- waits for a time lets nobody of this lane pass. front: what is first in it, where that matters, whoever has locked it.
create function forebay.heads_in_turn(told forebay.told, unwanted text[], limit_ bigint, t double precision)
returns table (
    i bigint, n bigint, share bigint, several boolean, derived boolean, lane text, go double precision, ki bigint, busy bigint,
    tat double precision, held double precision, front bigint, seq bigint, task text, key text, mine text,
    cost double precision
) language plpgsql as $$
#variable_conflict use_column
begin
    return query with open as materialized (
        select l.*, dense_rank() over (order by l.key) as ki,
            row_number() over (order by l.at, l.lane) as i
        from (
            select false as derived, c.lane, null::double precision as go, null::text as key, null::bigint as busy,
                max(c.served) as at
            from forebay.lane c where c.queue = told.queue group by c.lane
            union all
            (
                select true, a.lane, a.go, a.key, b.n, a.go + 1e10 from forebay.apart a, lateral (
                    select case when told.key_slots is not null and a.key is not null then (
                        select count(*) from forebay.message m
                        where m.state = 2 and m.counted and m.queue = told.queue and m.key = a.key
                    ) + (
                        select count(*) from forebay.lasting l where l.queue = told.queue and l.key = a.key
                    ) end as n offset 0  -- counted once
                ) as b
                where a.queue = told.queue and a.waits is null and a.go < 0
                    and (b.n is null or b.n < told.key_slots)
                    and (told.ordered or split_part(a.lane, '|', 1) <> all (unwanted))
                order by a.go limit limit_ + 16
            )
        ) as l
    ), part as (
        select greatest(1, ceil(limit_::numeric / greatest(1, count(*))))::bigint as share, count(*) > 1 as several from open
    )
    select o.i, row_number() over (partition by o.i order by h.priority desc, h.seq) as n, (select p.share from part p),
        (select p.several from part p), o.derived, o.lane, o.go, o.ki, o.busy,
        case when told.key_rate is not null and o.key is not null then (
            select p.tat from forebay.apart p where p.queue = told.queue and p.lane = '|key:' || o.key
        ) end,
        case when s.state = 0 then s.due end,
        case when s.state = 1 then s.seq when told.ordered and o.derived then (
            select f.seq from (
                (
                    select m.seq, m.priority from forebay.message m
                    where m.state = 1 and not m.back and m.queue = told.queue and m.lane = o.lane
                        and (m.expires is null or m.expires > t) order by m.priority desc, m.seq limit 1
                ) union all (
                    select m.seq, m.priority from forebay.message m
                    where m.state = 1 and m.back and m.queue = told.queue and m.lane = o.lane
                        and (m.expires is null or m.expires > t) order by m.priority desc, m.seq limit 1
                )
            ) as f order by f.priority desc, f.seq limit 1
        ) end,
        h.seq, h.task, h.key, h.mine, h.cost
    from open o left join lateral (  -- what goes before all others of it
        select m.seq, m.state, m.due from forebay.message m
        where told.ordered and o.derived and m.state in (0, 1) and m.holds and m.queue = told.queue and m.lane = o.lane
            and (m.state = 0 or m.expires is null or m.expires > t)
        order by m.seq limit 1
    ) as s on true left join lateral (
        select * from (
            select * from (
                select m.seq, m.priority, m.task, m.key, coalesce(m.home, m.lane) as mine, coalesce(m.cost, 1) as cost
                from forebay.message m where m.seq = any (array[s.seq]) and s.state = 1 and m.state = 1 for update skip locked
            ) as first
            union all
            select * from (
                select m.seq, m.priority, m.task, m.key, coalesce(m.home, m.lane) as mine, coalesce(m.cost, 1) as cost
                from forebay.message m
                where s.seq is null and m.state = 1 and not m.back and m.queue = told.queue and m.lane = o.lane
                    and (m.expires is null or m.expires > t)
                order by m.priority desc, m.seq
                limit case when o.derived and told.key_slots = 1 then 1 else (select p.share from part p) end
                for update skip locked
            ) as fresh
            union all
            select * from (
                select m.seq, m.priority, m.task, m.key, coalesce(m.home, m.lane) as mine, coalesce(m.cost, 1) as cost
                from forebay.message m
                where s.seq is null and m.state = 1 and m.back and m.queue = told.queue and m.lane = o.lane
                    and (m.expires is null or m.expires > t)
                order by m.priority desc, m.seq
                limit case when o.derived and told.key_slots = 1 then 1 else (select p.share from part p) end
                for update skip locked
            ) as back
        ) as either
        order by either.priority desc, either.seq
        limit case when o.derived and told.key_slots = 1 then 1 else (select p.share from part p) end
    ) as h on true
    order by 2, 1;
end $$;

-- The heads of a queue that is not fair as they come; of a fair one in the order of turns, as far as shares go. Each row that
-- this gives counts as started here: if it is not, the next look has more.
create function forebay.heads(told forebay.told, unwanted text[], limit_ bigint, t double precision)
returns table (
    i bigint, n bigint, share bigint, several boolean, derived boolean, lane text, go double precision, ki bigint, busy bigint,
    tat double precision, held double precision, front bigint, seq bigint, task text, key text, mine text,
    cost double precision
) language plpgsql as $$
#variable_conflict use_column
declare
    s forebay.standing; h record; n_ bigint; given bigint := 0; before double precision; aside text[];
begin
    if not told.fair then
        return query select * from forebay.heads_in_turn(told, unwanted, limit_, t);
        return;
    end if;
    s := forebay.standing(told, array(
        select a.lane from forebay.apart a
        where a.queue = told.queue and a.waits is null and a.go < 0 order by a.go limit limit_ + 16
    ), limit_, t);
    before := s.needed;
    for h in
        select o.*, forebay.weight(o.lane, s.weights) as weight, a.mean, a.mean >= s.long as slow from forebay.heads_in_turn(
            told, unwanted, limit_, t
        ) as o left join forebay.apart a on o.derived and a.queue = told.queue and a.lane = o.lane
        order by greatest(a.turn, s.clock)
            + (o.n - 1) * coalesce(a.mean, s.long / 8, 0.1) / forebay.weight(o.lane, s.weights) nulls first, o.lane, o.n
    loop
        if h.derived and h.seq is not null and h.held is null then
            n_ := coalesce((s.runs ->> h.lane)::bigint, 0);
            if h.slow and s.slow >= s.most_slow then
                aside := array_append(aside, h.lane);
                continue;
            end if;
            continue when not coalesce(h.slow, false) and s.busy >= s.most
                and n_ >= forebay.due(s, h.weight, coalesce(h.mean, 0));
            s.runs := jsonb_set(s.runs, array[h.lane], to_jsonb(n_ + 1));
            s.busy := s.busy + 1;
            s.slow := s.slow + coalesce(h.slow, false)::integer;
            given := given + 1;
            if given <= limit_ and not coalesce(h.slow, false) and n_ < forebay.due(s, h.weight, h.mean) then
                s.held := s.held + 1;
                s.needed := case when s.held > s.needed then s.needed + 1 else greatest(0, s.needed - 0.02) end;
            end if;
        end if;
        i := h.i; n := h.n; share := h.share; several := h.several; derived := h.derived; lane := h.lane; go := h.go;
        ki := h.ki; busy := h.busy; tat := h.tat; held := h.held; front := h.front; seq := h.seq; task := h.task;
        key := h.key; mine := h.mine; cost := h.cost;
        return next;
    end loop;
    if s.needed <> before then
        update forebay.fair f set needed = s.needed where f.queue = told.queue;
    end if;
    if aside is not null then
        update forebay.apart a set go = null, waits = 'slow:'
        where a.queue = told.queue and a.lane = any (aside)
            and coalesce((s.runs ->> a.lane)::bigint, 0) = (
                select count(*) from forebay.message m
                where m.state = 2 and m.counted and m.queue = told.queue and m.lane = a.lane
            );
    end if;
end $$;

-- A look at a queue gives few heads, whatever the planner thinks of functions: as for a thousand rows it would read all
-- lanes of a fair queue for their turns, which takes tens of milliseconds with 100,000 keys.
alter function forebay.heads_in_turn(forebay.told, text[], bigint, double precision) rows 40;
alter function forebay.heads(forebay.told, text[], bigint, double precision) rows 40;
