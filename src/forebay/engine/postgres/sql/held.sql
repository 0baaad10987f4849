select seq, id, queue, task, body, fence, attempt, lost, created, expires, priority, split_part(coalesce(home, lane), '|', 1), key, headers,
    unknown
from forebay.message where state = 2 and worker = $1 order by seq
