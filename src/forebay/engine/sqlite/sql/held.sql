select seq, id, queue, task, body, fence, attempt, lost, created, expires, priority, coalesce(home, lane), key, headers, unknown
from message indexed by message_running where state = 2 and worker = ?1 order by seq
