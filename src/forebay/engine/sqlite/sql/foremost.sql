-- what a lease would take of one lane (lease.sql)
select seq from message indexed by message_ready
where state = 1 and queue = ?1 and lane = ?2 order by priority desc, seq limit ?3
