-- of a message that runs under this fence, by a worker whose lease holds
update message set progress = ?1
where seq = ?2 and fence = ?3 and id = ?4 and state = 2
    and exists (select 1 from worker where worker.id = message.worker and until > ?5 and boot = ?6)
