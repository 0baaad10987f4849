-- what lease.sql takes before ?1 of its lane, up to ?2
select count(*) from (
    select 1 from message as me join message as other indexed by message_ready
    on other.state = 1 and other.queue = me.queue and other.lane = me.lane
    and other.priority >= me.priority and (other.priority > me.priority or other.seq < me.seq)
    where me.id = ?1 and me.state = 1
    limit ?2
)
