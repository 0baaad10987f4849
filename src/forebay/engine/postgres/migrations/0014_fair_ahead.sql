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
    where forebay.set_back(m.latest, t) > 0 and (m.queue = queue_ or m.name in (
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
            select n.name, sum(gone.cost) as cost from gone, lateral (
                select 'queue:' || queue_ as name union all select 'task:' || queue_ || ':' || gone.task
                union all select 'key:' || queue_ || ':' || gone.key
                union all select substr(p.part, 7) from unnest(string_to_array(gone.mine, '|')) as p (part)
                where p.part like 'meter:%'
            ) as n where n.name is not null group by 1
        )
        update forebay.meter m set tat = greatest(m.tat - o.cost / m.rate, least(m.tat, t))
        from of_meter o where m.name = o.name and m.rate <> 0;
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
