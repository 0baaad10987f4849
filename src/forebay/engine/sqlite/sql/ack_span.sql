-- as ack.sql, of rows that follow each other under one fence (rows.Leases)
delete from message not indexed where seq between ?1 and ?2 and fence = ?3 and worker = ?4 and state = 2
