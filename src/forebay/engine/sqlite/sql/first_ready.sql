-- the oldest ready message at the highest priority below a given one, in one lane
select priority, created, seq from message indexed by message_ready
where state = 1 and queue = ?1 and lane = ?2 and priority < ?3 order by priority desc, seq limit 1
