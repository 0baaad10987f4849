-- A slot that a call gives back is not for others if its lane was shut in the same step: a lease looks at gates first and
-- counts what runs afterwards, and somebody may have settled in between. So gates are asked once more when messages are
-- started, by a statement that sees at least what the counting has seen.
create or replace function forebay.start(told forebay.told, worker_ text, seqs bigint[], visit_ bigint, t double precision)
returns void language plpgsql as $$
begin
    with took as (
        update forebay.message m set state = 2, worker = worker_, fence = m.fence + 1, attempt = m.attempt + 1, leased = t,
            visit = visit_, counted = true
        where m.seq = any (seqs) and not exists (
            select from forebay.closed c
            where c.queue in ('', told.queue) and (c.until is null or c.until > t) and c.what in (
                '', 'lane:' || split_part(coalesce(m.home, m.lane), '|', 1), 'task:' || m.task, 'key:' || m.key
            )
        ) returning m.lane
    )
    insert into forebay.delta (queue, lane, ready, running)
    select told.queue, took.lane, -count(*), count(*) from took group by 2;
end $$;

-- What was started of these, as it is handed out.
create or replace function forebay.started(seqs bigint[]) returns setof forebay.leased language sql stable as $$
    select m.seq, m.id, m.queue, m.task, m.body, m.fence, m.attempt, m.lost, m.created, m.expires, m.priority,
        split_part(coalesce(m.home, m.lane), '|', 1), m.key, m.headers, m.unknown, null::text[]
    from forebay.message m where m.seq = any (seqs) and m.state = 2 order by m.priority desc, m.seq
$$;
