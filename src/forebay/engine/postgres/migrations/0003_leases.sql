-- What a worker calls: to take, and to say that it is done.

create type forebay.leased as (
    seq bigint, id text, queue text, task text, body bytea, fence bigint, attempt bigint, lost bigint,
    created double precision, expires double precision, priority bigint, lane text, key text, headers bytea,
    unknown double precision, stop text[]
);

-- Take from a lane in which some come back, of one priority: both kinds in one order.
create function forebay.take_back(
    worker_ text, queue_ text, lane_ text, priority_ bigint, floor_ bigint, limit_ integer, visit_ bigint,
    t double precision
) returns setof forebay.leased language plpgsql as $$
begin
    return query with fresh as materialized (
        select m.seq from forebay.message m
        where m.state = 1 and not m.back and m.queue = queue_ and m.lane = lane_ and m.priority = priority_
            and m.seq >= floor_ and (m.expires is null or m.expires > t)
        order by m.seq limit limit_ for update skip locked
    ), back as materialized (
        select m.seq from forebay.message m
        where m.state = 1 and m.back and m.queue = queue_ and m.lane = lane_ and m.priority = priority_
            and (m.expires is null or m.expires > t)
        order by m.seq limit limit_ for update skip locked
    ), picked as materialized (
        select f.seq from (select * from fresh union all select * from back) as f order by f.seq limit limit_
    ), took as (
        update forebay.message m set state = 2, worker = worker_, fence = m.fence + 1, attempt = m.attempt + 1, leased = t,
            visit = visit_
        from picked where m.seq = picked.seq
        returning m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires, m.priority,
            coalesce(m.home, m.lane), m.key, m.headers, m.unknown, null::text[]
    )
    select * from took order by 1;
end $$;

-- The name of a line in `floors_`.
create function forebay.line(queue_ text, lane_ text, priority_ bigint) returns text language sql immutable as $$
    select queue_ || ' ' || priority_ || ' ' || lane_
$$;

-- Done: whose lease still holds. Answers the numbers of those that were; null: this worker holds nothing any more.
create function forebay.ack(
    worker_ text, seqs bigint[], fences bigint[], results bytea[] default null, keeps double precision[] default null,
    tooks double precision[] default null, keep_ double precision default 3600, now_ double precision default null
) returns bigint[] language plpgsql as $$
declare
    t double precision := coalesce(now_, extract(epoch from clock_timestamp()));
    done_ bigint[];
begin
    perform from forebay.worker w where w.id = worker_ and w.until > t and w.state <> 'buried';
    if not found then
        return null;
    end if;
    with gone as (
        delete from forebay.message m
        using unnest(seqs, fences, results, keeps, tooks) with ordinality as l (seq, fence, result, keep, took, n)
        where m.seq = l.seq and m.fence = l.fence and m.worker || '' = worker_ and m.state + 0 = 2  -- by `seq` alone
        returning m.seq, m.id, m.queue, m.lane, coalesce(m.home, m.lane) as home, m.task, m.priority, m.attempt, m.lost,
            m.fence, m.created, m.due, m.expires, m.leased, m.key, m.once, m.headers, m.failure, m.progress, l.result,
            coalesce(l.keep, keep_) as keep, l.took, l.n
    ), ends as (
        insert into forebay.ended (
            id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, started, finished,
            forget, worker, key, once, headers, failure, progress, result
        )
        select g.id, g.queue, g.home, g.task, 'done', g.priority, g.attempt, g.lost, g.fence, g.created, g.due, g.expires,
            g.leased, t, t + g.keep, worker_, g.key, g.once, g.headers, g.failure, g.progress, g.result
        from gone g where g.keep > 0 order by g.n
    ), told as (
        insert into forebay.delta (queue, lane, running, done, seconds)
        select g.queue, g.lane, -count(*), count(*), sum(g.took) from gone g group by 1, 2
    )
    select array_agg(g.seq) into done_ from gone g;
    return coalesce(done_, '{}');
end $$;
