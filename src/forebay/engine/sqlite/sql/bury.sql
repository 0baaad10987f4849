insert into dead (
    id, queue, lane, priority, attempt, lost, fence, created, finished, task, key, uniq, headers, cause, failure, body
)
select id, queue, lane, priority, attempt, lost, fence, created, ?2, task, key, uniq, headers, ?3,
    coalesce(?4, failure), body
from message where seq = ?1
