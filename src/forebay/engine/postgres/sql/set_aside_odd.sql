-- rows that no lease or end can take become dead letters; what they were, by queue, lane and state. $1 is now
with odd as materialized (
    select m.seq, concat_ws(', ',
        case when abs(m.fence::numeric) > 2::numeric ^ 62 then format('its fence is %s', m.fence) end,
        case when abs(m.attempt::numeric) > 2::numeric ^ 62 then format('its attempt is %s', m.attempt) end,
        case when abs(m.lost::numeric) > 2::numeric ^ 62 then format('its count of losses is %s', m.lost) end,
        case when greatest(
            octet_length(m.queue || m.lane),
            octet_length(concat(m.queue, coalesce(m.home, m.lane), '|key:', m.key, '|task:', m.task))
        ) > 2650 then 'its names are too long for an index' end
    ) as why
    from forebay.message m for update skip locked
), gone as (
    delete from forebay.message m using odd where m.seq = any (array[odd.seq]) and odd.why <> '' returning m.*, odd.why
), stirred as (
    insert into forebay.stir (queue, lane) select distinct g.queue, g.lane from gone g where g.home is not null
), dead as (
    insert into forebay.ended (
        id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, started, finished,
        cost, worker, key, once, cause, headers, failure, progress, body
    )
    select g.id, g.queue, coalesce(g.home, g.lane), g.task, 'dead', g.priority,
        greatest(least(g.attempt, 1::bigint << 62), -1::bigint << 62), greatest(least(g.lost, 1::bigint << 62), 0),
        greatest(least(g.fence, 1::bigint << 61), 0), g.created, g.due, g.expires, g.leased, $1::float8, g.cost, g.worker, g.key,
        g.once, 'none of ours wrote its row: ' || g.why, g.headers, g.failure, g.progress, g.body
    from gone g order by g.seq
)
select queue, lane, state from gone
