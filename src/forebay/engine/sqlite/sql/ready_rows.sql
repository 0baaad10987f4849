-- as ready.sql, of rows that were chosen, in that order
select seq, id, queue, task, body, fence + 1, attempt + 1, lost, created, expires, priority, coalesce(home, lane), key, headers,
    unknown
from carray(?1) as chosen cross join message on seq = chosen.value
