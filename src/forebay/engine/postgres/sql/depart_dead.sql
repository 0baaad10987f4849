-- likewise dead letters, in the order of their ends
with seen as materialized (
    select e.n, octet_length(e.body) as size from forebay.ended e
    where e.queue = $1 and e.n > $2 and e.state = 'dead' order by e.n limit $3 for update skip locked
), picked as materialized (
    select n from (select n, sum(size) over (order by n) - size as before from seen) as s where before <= $4
), gone as (
    delete from forebay.ended e using picked where e.n = any (array[picked.n]) returning e.*
)
select n, id, task, body, headers, key, once, priority, lane, cost, created, due, expires, attempt, lost, cause, failure,
    progress, finished, started, worker
from gone order by n
