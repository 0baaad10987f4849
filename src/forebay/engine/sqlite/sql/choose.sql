-- what lease.sql would take
select seq from message indexed by message_fresh
where state = 1 and due is null and queue = ?2 and lane = ?3 and (expires is null or expires > ?1)
order by priority desc, seq limit ?4
