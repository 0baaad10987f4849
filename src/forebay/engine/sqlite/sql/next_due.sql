-- when the next message is due, the next gate opens by itself, or the next lane may go that may not yet (at ?1)
select min(at) from (
    select min(due) as at from message indexed by message_due where state = 0
    union all select min(until) from closed indexed by closed_until where until is not null
    union all select (select go from lane indexed by lane_go where lane.queue = name and go > ?1 and go < 5e9 order by go limit 1)
    from queue indexed by queue_limited where limits is not null
)
