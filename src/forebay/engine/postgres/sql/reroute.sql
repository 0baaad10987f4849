-- running messages go on in other queues: queue, lane of their own, attempts handed back, cause, headers; where they are
with moved as (
    update forebay.message m set
        queue = a.queue, lane = a.lane, home = null, holds = null, state = 1, back = true, due = coalesce(m.due, m.created),
        attempt = m.attempt - a.refund, cause = a.cause, headers = a.headers, worker = null, leased = null, visit = null,
        cancel = false, unknown = null, size = (
            select octet_length(m.body) from forebay.queue q where q.name = a.queue and q.most_bytes is not null
        )
    from unnest($1::bigint[], $2::text[], $3::text[], $4::int[], $5::text[], $6::bytea[])
        as a (seq, queue, lane, refund, cause, headers)
    where m.seq = any (array[a.seq]) returning m.queue, m.lane, m.priority
), known as (
    insert into forebay.lane (queue, lane, priority) select distinct queue, lane, priority from moved order by 1, 2, 3
    on conflict do nothing
)
select queue, lane, count(*) from moved group by 1, 2
