-- the first ?4 messages of one lane
select seq, lane, task, key, coalesce(home, lane), iif(cost between 0.0 and 1e9, cost, 1.0) from (
    select seq, lane, task, key, home, cost, priority from message indexed by message_fresh
    where state = 1 and due is null and queue = ?1 and lane = ?3 and (expires is null or expires > ?2)
    union all
    select seq, lane, task, key, home, cost, priority from message indexed by message_back
    where state = 1 and due is not null and queue = ?1 and lane = ?3 and (expires is null or expires > ?2)
    order by priority desc, seq limit ?4
)
