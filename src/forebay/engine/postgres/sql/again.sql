-- back to waiting: state, due, refund, losses, lane of its own, failure, cause, known (null: nobody looked); $10 is now
-- what is told apart stays in its lane, which is looked at; in an ordered queue a key waits for what waits for a time
-- answers where they are now, and in which state
with back as (
    update forebay.message m set
        state = a.state, back = true, due = coalesce(a.due, m.due), attempt = m.attempt - a.refund, lost = a.lost,
        lane = case when b.ordered and m.key is not null then '|key:' || m.key else coalesce(a.lane, m.lane) end,
        home = case when b.ordered and m.key is not null then coalesce(a.lane, m.home, m.lane)
            when a.lane is null then m.home end,
        holds = case when b.ordered and m.key is not null then true end,
        failure = coalesce(a.failure, m.failure), cause = a.cause, worker = null, leased = null, visit = null, cancel = false,
        unknown = case a.known when true then null when false then coalesce(m.unknown, $10::float8) else m.unknown end
    from unnest(
        $1::bigint[], $2::smallint[], $3::float8[], $4::int[], $5::bigint[], $6::text[], $7::bytea[], $8::text[], $9::bool[]
    ) as a (seq, state, due, refund, lost, lane, failure, cause, known)
    join forebay.message o on o.seq = any (array[a.seq]) left join forebay.bound b on b.queue = o.queue
    where m.seq = any (array[o.seq]) returning m.queue, m.lane, m.home, m.state
), stirred as (
    insert into forebay.stir (queue, lane)
    select distinct back.queue, back.lane from back where back.state = 1 and back.home is not null
)
select queue, lane, state, count(*) from back group by 1, 2, 3
