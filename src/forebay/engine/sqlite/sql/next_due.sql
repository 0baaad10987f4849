-- when the next message is due, or the next gate opens by itself
select min(at) from (
    select min(due) as at from message indexed by message_due where state = 0
    union all select min(until) from closed indexed by closed_until where until is not null
)
