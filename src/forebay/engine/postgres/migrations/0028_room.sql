-- Queues that hold only so much. What waits is counted from the tallies and what has moved since, however much that is;
-- messages that come back, are due, or are moved here are never asked.

-- What waits in a queue, and how many have left it since ever.
create function forebay.level(queue_ text, out n bigint, out drained bigint) language sql stable as $$
    select coalesce(sum(c.ready), 0) + coalesce(sum(c.scheduled), 0),
        coalesce(sum(c.published), 0) - coalesce(sum(c.ready), 0) - coalesce(sum(c.scheduled), 0)
    from (
        select t.ready, t.scheduled, t.published from forebay.tally t where t.queue = queue_
        union all
        select d.ready, d.scheduled, d.published from forebay.delta d where d.queue = queue_
    ) as c
$$;

-- Only where a queue bounds its bytes is anything counted: `size` of a message is null elsewhere, and the triggers look at
-- nothing else. They see all that becomes of a message, whatever does it: leases, ends, moves, newer arguments, statements
-- of somebody else.
create function forebay.weigh() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' and old.size is not null and old.state in (0, 1) then
        insert into forebay.delta (queue, lane, bytes) values (old.queue, '', -old.size);
    end if;
    if tg_op <> 'DELETE' and new.size is not null and new.state in (0, 1) then
        insert into forebay.delta (queue, lane, bytes) values (new.queue, '', new.size);
    end if;
    return null;
end $$;
create trigger weigh_in after insert on forebay.message for each row when (new.size is not null)
    execute function forebay.weigh();
create trigger weigh_out after delete on forebay.message for each row when (old.size is not null and old.state <> 2)
    execute function forebay.weigh();
create trigger weigh_on after update of state, queue, size on forebay.message for each row
    when ((old.size is not null or new.size is not null)
        and (old.state, old.queue, old.size) is distinct from (new.state, new.queue, new.size))
    execute function forebay.weigh();

-- Bytes that wait in a queue that bounds them.
create function forebay.weight(queue_ text) returns bigint language sql stable as $$
    select greatest(0, coalesce(sum(c.bytes), 0))::bigint from (
        select t.bytes from forebay.tally t where t.queue = queue_
        union all
        select d.bytes from forebay.delta d where d.queue = queue_
    ) as c
$$;

-- How long the oldest ready message of a queue has waited: of those that are due and have not been looked at since, of
-- those that come back, and of those that wait for the first time the first of each lane and priority.
create function forebay.age(queue_ text, t double precision) returns double precision language sql stable as $$
    select greatest(0, t - coalesce(least(
        (
            select o.due from forebay.message o where o.state = 0 and o.due <= t and o.queue = queue_ order by o.due limit 1
        ), (
            select min(m.since) from (
                select distinct l.lane from forebay.lane l where l.queue = queue_
                union select a.lane from forebay.apart a where a.queue = queue_
            ) as l cross join lateral (
                select coalesce(o.due, o.created) as since from forebay.message o
                where o.state = 1 and o.back and o.queue = queue_ and o.lane = l.lane
                order by coalesce(o.due, o.created) limit 1
            ) as m
        ), (
            select least(min(m.created), min(m.down)) from (
                select l.lane, l.priority from forebay.lane l where l.queue = queue_
                union select a.lane, p.priority from forebay.apart a, forebay.lane p
                where a.queue = queue_ and p.queue = queue_
            ) as l cross join lateral (
                select (
                    select o.created from forebay.message o
                    where o.state = 1 and not o.back and o.queue = queue_ and o.lane = l.lane and o.priority = l.priority
                        and o.seq > 0 order by o.seq limit 1
                ) as created, (
                    select o.created from forebay.message o
                    where o.state = 1 and not o.back and o.queue = queue_ and o.lane = l.lane and o.priority = l.priority
                        and o.seq < 0 order by o.seq desc limit 1
                ) as down
            ) as m
        )
    ), t))
$$;

-- How many more messages a queue with a limit may take in: `n`, none of them of more than `most` bytes, and all of them of
-- no more than `fits` in all; beyond that those before which there are no more than `begins`. first_: bytes of the first.
-- mode_: 0, who publishes has a lock of the queue until its transaction ends, so that all together stay within the limit;
-- 1, in a transaction of the user's own nobody is held up, and what others have not committed is not seen; 2, they are not
-- new, and come in whatever waits.
create function forebay.room(
    queue_ text, headers_ bytea, mode_ integer, t double precision, priority_ bigint, first_ bigint,
    out n bigint, out most bigint, out fits bigint, out begins bigint
) language plpgsql as $$
declare
    q forebay.queue; l record; seen double precision[]; age_ double precision := 0; size_ bigint := 0;
    kept_ bigint := 0;
begin
    n := 9223372036854775807;
    most := n;
    fits := n;
    begins := -n;  -- there are never less before one, even if it takes the place of one that waits
    if mode_ = 2 then
        return;
    elsif mode_ = 0 then
        perform pg_advisory_xact_lock(forebay.lock_number('room:' || queue_));
    end if;
    select * into q from forebay.queue one where one.name = queue_;
    select * into l from forebay.level(queue_);
    if q.most_age is not null then
        age_ := forebay.age(queue_, t);
    end if;
    if q.most_bytes is not null then
        size_ := forebay.weight(queue_);
        most := q.most_bytes;
        first_ := case when first_ <= most then first_ else 0 end;  -- what never fits does not find it full
    end if;
    if mode_ = 0 then  -- flow.limit.noted
        seen := coalesce(q.drain, array[t, l.drained, t, l.drained, 0]);
        if t < seen[3] or (l.drained < seen[4] and t - seen[3] >= 60) then
            seen := array[t, l.drained, t, l.drained, seen[5]];
        elsif t - seen[3] >= 2 and (l.drained - seen[4] >= 20 or t - seen[3] >= 60) then
            seen := array[seen[3], seen[4], t, l.drained, seen[5]];
        end if;
        seen[5] := case
            when l.n >= q.most or size_ + first_ > q.most_bytes or age_ > q.most_age then coalesce(nullif(seen[5], 0), t)
            when coalesce(l.n >= q.most * 0.9, false) or coalesce(size_ >= q.most_bytes * 0.9, false)
                or coalesce(age_ > q.most_age * 0.9, false) then seen[5]
            else 0 end;
        if seen is distinct from q.drain then
            update forebay.queue one set drain = seen where one.name = queue_;
        end if;
    end if;
    if q.on_full = 'shed_oldest' then
        return;
    end if;
    -- flow.limit.reserve, for what running tasks make: they name the one that made it
    if position('\xae666f72656261792d706172656e74'::bytea in headers_) > 0 then
        if q.most is not null then
            n := greatest(0, q.most + greatest(100, (q.most + 9) / 10) - l.n);
        end if;
        if q.most_bytes is not null then
            begins := q.most_bytes - size_;
            fits := begins + (q.most_bytes + 9) / 10;
        end if;
    elsif age_ > q.most_age then
        n := 0;
    else
        if q.most is not null then
            if q.reserve > 0 and priority_ <= 0 then  -- flow.limit.kept
                kept_ := least(q.most - 1, greatest(1, floor(q.most * q.reserve + 0.5)));
            end if;
            n := greatest(0, q.most - kept_ - l.n);
        end if;
        if q.most_bytes is not null then
            fits := q.most_bytes - size_;
        end if;
    end if;
end $$;

-- The oldest that wait in a queue end, as many as there are too many, or as many bytes: newer ones have taken their places.
-- What is leased at this moment is passed over, and one that has just become what it is (0 for none).
create function forebay.shed(queue_ text, t double precision, but_ bigint default 0) returns void language plpgsql as $$
declare
    keep_ double precision; n_ bigint; size_ bigint := 0;
begin
    select q.keep, coalesce(greatest(0, l.n - q.most), 0),
        case when q.most_bytes is not null then greatest(0, forebay.weight(queue_) - q.most_bytes) else 0 end
    into keep_, n_, size_ from forebay.queue q, forebay.level(queue_) l where q.name = queue_;
    if n_ > 0 or size_ > 0 then
        with up as materialized (  -- once: a join might ask it again, and it would name the next ones
            select o.seq, o.size from forebay.message o where o.queue = queue_ and o.state in (0, 1) and o.seq > 0 and o.seq <> but_
            order by o.seq limit case when size_ = 0 then n_ end for update skip locked
        ), down as materialized (
            select o.seq, o.size from forebay.message o where o.queue = queue_ and o.state in (0, 1) and o.seq < 0 and o.seq <> but_
            order by o.seq desc limit case when size_ = 0 then n_ end for update skip locked
        ), old as materialized (
            select s.seq from (  -- `n_` at the least, and as many as have `size_` bytes
                select f.seq, row_number() over (order by abs(f.seq)) as n,
                    coalesce(sum(f.size) over (order by abs(f.seq)), 0) - coalesce(f.size, 0) as before
                from (select * from up union all select * from down) as f
            ) as s where s.n <= n_ or s.before < size_
        ), gone as (
            delete from forebay.message m using old where m.seq = any (array[old.seq]) returning m.*
        ), ends as (
            insert into forebay.ended (
                id, queue, lane, task, state, priority, attempt, lost, fence, created, due, expires, finished, forget,
                key, once, cause, headers, failure, progress
            )
            select id, queue, coalesce(home, lane), task, 'discarded', priority, attempt, lost, fence, created, due,
                expires, t, t + keep_, key, once, 'shed for newer ones: its queue was full', headers, failure, progress
            from gone order by abs(seq)
        ), stirred as (
            insert into forebay.stir (queue, lane)
            select distinct gone.queue, gone.lane from gone where gone.home is not null
        )
        insert into forebay.delta (queue, lane, scheduled, ready, discarded)
        select queue, lane, -count(*) filter (where state = 0), -count(*) filter (where state = 1), count(*)
        from gone group by 1, 2;
    end if;
end $$;
