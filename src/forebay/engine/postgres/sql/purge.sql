with gone as (
    delete from forebay.ended e using (
        select n from forebay.ended where n = any ($1::bigint[]) and state = 'dead' order by n for update
    ) as dead where e.n = any (array[dead.n]) returning e.*
), made as (
    insert into forebay.ended (
        id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, started, finished, forget,
        worker, key, once, cause, headers, failure, progress
    )
    select id, queue, lane, task, 'discarded', priority, attempt, lost, fence, created, due, expires, started, $2::float8,
        $3::float8, worker, key, once, 'purged: ' || cause, headers, failure, progress
    from gone order by n
    returning queue, lane
)
select queue, lane, count(*) from made group by 1, 2
