-- messages of the queue ?1 behind the place ?2 that wait, in order of acceptance
select seq, id, task, body, headers, key, once, priority, coalesce(home, lane), cost, created, state, due, holds, expires,
    attempt, lost, unknown, cause, failure, progress, lane
from message where queue = ?1 and seq > ?2 and state in (0, 1) order by seq limit ?3
