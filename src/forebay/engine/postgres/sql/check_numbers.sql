-- where the tallies are not what is there
with there (queue, state, n) as (
    select queue, (array['scheduled', 'ready', 'running'])[state + 1], count(*) from forebay.message group by 1, 2
    union all
    select queue, 'dead', count(*) from forebay.ended where state = 'dead' group by 1
), counted as (select * from forebay.tally union all select * from forebay.delta
), said (queue, state, n) as (
    select queue, s.state, sum(s.n) from counted, lateral (
        values ('scheduled', scheduled), ('ready', ready), ('running', running), ('dead', dead)
    ) as s (state, n) group by 1, 2
)
select coalesce(there.queue, said.queue), coalesce(there.state, said.state), coalesce(said.n, 0)::bigint, coalesce(there.n, 0)
from there full join said on said.queue = there.queue and said.state = there.state
where coalesce(said.n, 0) <> coalesce(there.n, 0)
