-- waiting messages past their time
select seq, queue, state, lost, lane from message indexed by message_expires
where expires is not null and expires <= ?1 and state in (0, 1) limit ?2
