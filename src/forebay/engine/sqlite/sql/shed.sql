-- the oldest that wait in a queue, in the order of the table itself; numbers below zero were counted down; and how large they are
select seq, state, lost, lane, size from (
    select * from (
        select seq, state, lost, lane, length(body) as size from message not indexed
        where seq > 0 and queue = ?1 and state in (0, 1) order by seq limit ?2
    )
    union all select * from (
        select seq, state, lost, lane, length(body) as size from message not indexed
        where seq < 0 and queue = ?1 and state in (0, 1) order by seq desc limit ?2
    )
)
order by abs(seq) limit ?2
