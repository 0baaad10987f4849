-- messages parked behind the gate (?1, ?2) in lanes that nobody has closed at ?3
select message.seq from lane cross join message indexed by message_parked
    on message.state = 3 and message.queue = lane.queue and message.lane = lane.lane
where lane.queue = ?1 and ?2 in ('*', lane.lane) and not exists (
    select 1 from closed
    where closed.queue = lane.queue and closed.lane in ('*', lane.lane) and (closed.until is null or closed.until > ?3)
)
limit ?4
