-- lanes of a queue in which a message that waits for a time holds up the others, and until when
select lane, min(due) from message indexed by message_holds
where holds = 1 and state = 0 and queue = ?1 and lane in (select cast(value as text) from carray(?2)) group by lane
