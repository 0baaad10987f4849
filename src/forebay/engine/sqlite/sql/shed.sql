-- the oldest that wait in a queue, in the order of the table itself
select seq, state, lost, lane from message not indexed where queue = ?1 and state in (0, 1) order by seq limit ?2
