-- a running message goes on in the queue $2: lane of its own, attempts handed back, cause, headers; where it is now
with one as (
    update forebay.message m set
        queue = $2, lane = $3, home = null, holds = null, state = 1, back = true, due = coalesce(m.due, m.created),
        attempt = m.attempt - $4::int, cause = $5, headers = $6::bytea, worker = null, leased = null, visit = null,
        cancel = false, unknown = null
    where m.seq = $1 returning m.queue, m.lane, m.priority
), known as (
    insert into forebay.lane (queue, lane, priority) select queue, lane, priority from one on conflict do nothing
)
select lane, priority from one
