-- what ready.sql finds before ?1 of its lane, up to ?2: of those that wait for the first time, and of those that came back,
-- of higher priority and of the same; each is a range of an index, so that it costs what it counts
with me as materialized (select queue, lane, priority, seq from message where id = ?1 and state = 1)
select min(?2, (
    select count(*) from (
        select 1 from me cross join message as other indexed by message_fresh
        where other.state = 1 and other.due is null and other.queue = me.queue and other.lane = me.lane
        and other.priority > me.priority limit ?2
    )
) + (
    select count(*) from (
        select 1 from me cross join message as other indexed by message_fresh
        where other.state = 1 and other.due is null and other.queue = me.queue and other.lane = me.lane
        and other.priority = me.priority and other.seq < me.seq limit ?2
    )
) + (
    select count(*) from (
        select 1 from me cross join message as other indexed by message_back
        where other.state = 1 and other.due is not null and other.queue = me.queue and other.lane = me.lane
        and other.priority > me.priority limit ?2
    )
) + (
    select count(*) from (
        select 1 from me cross join message as other indexed by message_back
        where other.state = 1 and other.due is not null and other.queue = me.queue and other.lane = me.lane
        and other.priority = me.priority and other.seq < me.seq limit ?2
    )
))
