-- what a lease would take of one lane (ready.sql, ready_back.sql)
select seq from (
    select seq, priority from message indexed by message_fresh
    where state = 1 and due is null and queue = ?1 and lane = cast(?2 as text)
    union all
    select seq, priority from message indexed by message_back
    where state = 1 and due is not null and queue = ?1 and lane = cast(?2 as text)
    order by 2 desc, 1 limit ?3
)
