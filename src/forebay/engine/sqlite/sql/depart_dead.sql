-- dead letters of the queue ?1 behind the place ?2, in the order of their ends
select seq, id, task, body, headers, key, once, priority, lane, cost, created, due, late, attempt, lost, cause, failure,
    progress, finished, started, worker
from dead indexed by dead_queue where queue = ?1 and seq > ?2 order by seq limit ?3
