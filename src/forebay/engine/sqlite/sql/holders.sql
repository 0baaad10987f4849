-- the live messages that hold a unique key: who waits first, then by acceptance
select seq, id, queue, task, state, attempt, created from message indexed by message_unique
where once is not null and once = ?1 order by state = 2, seq limit 1
