-- what lease.sql takes before ?1 of its lane, up to ?2: of those that wait for the first time, and of those that came back
select min(?2, (
    select count(*) from (
        select 1 from message as me join message as other indexed by message_fresh
        on other.state = 1 and other.due is null and other.queue = me.queue and other.lane = me.lane
        and other.priority >= me.priority and (other.priority > me.priority or other.seq < me.seq)
        where me.id = ?1 and me.state = 1
        limit ?2
    )
) + (
    select count(*) from (
        select 1 from message as me join message as other indexed by message_back
        on other.state = 1 and other.due is not null and other.queue = me.queue and other.lane = me.lane
        and other.priority >= me.priority and (other.priority > me.priority or other.seq < me.seq)
        where me.id = ?1 and me.state = 1
        limit ?2
    )
))
