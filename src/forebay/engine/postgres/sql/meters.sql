-- meters of these names (null: all that somebody put) with the budgets beside them, those that queues have for each key,
-- and those of keys of a provider that have no row yet
select m.name, m.rate, m.burst, m.slots, m.generation, forebay.running(m.name, m.queue),
    m.tat - forebay.set_back(m.latest, coalesce($2::float8, extract(epoch from clock_timestamp())::float8))
from forebay.meter m where ($1::text[] is null and m.generation > 0) or m.name = any ($1::text[]) or forebay.payer(m.name) = any ($1::text[])
union all
select n.name, b.key_rate, b.key_burst, case when b.ordered then 1 else b.key_slots end, 0,
    case when b.ordered or b.key_slots is not null then forebay.running(n.name, b.queue) else 0 end, coalesce(a.tat, 0)
from unnest($1::text[]) as n (name)
join forebay.bound b on n.name like 'key:%' and b.queue = split_part(n.name, ':', 2)
    and (b.ordered or b.key_rate is not null or b.key_slots is not null)
left join forebay.apart a on a.queue = b.queue and a.lane = '|key:' || substr(n.name, 6 + length(b.queue))
where not exists (select from forebay.meter m where m.name = n.name)
union all
select distinct on (o.name) o.name, s.rate, s.burst, s.slots, 0::bigint, forebay.running(o.name, null), 0::float8
from unnest($1::text[]) as n (name)
join forebay.meter s on s.name = forebay.of_each(n.name) or forebay.payer(s.name) = forebay.of_each(n.name),
    lateral (select n.name || substr(s.name, 1 + length(forebay.of_each(n.name))) as name) as o
where not exists (select from forebay.meter m where m.name = o.name)
