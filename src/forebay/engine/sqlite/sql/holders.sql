-- the live message that holds a unique key: who waits first, then by acceptance; and whether a gate that is closed at ?2
-- holds it; and whether it is too late for it to start
select seq, id, queue, task, state, attempt, created, lane, exists (
    select 1 from closed
    where closed.queue in ('', message.queue) and (closed.until is null or closed.until > ?2)
        and closed.what in (
            '', 'task:' || message.task, 'key:' || message.key,
            'lane:' || substr(coalesce(home, lane), 1, instr(coalesce(home, lane) || '|', '|') - 1)
        )
), state <> 2 and expires <= ?2
from message indexed by message_unique
where once is not null and once = ?1 order by state = 2, seq limit 1
