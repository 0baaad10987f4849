-- a row that no lease can take becomes a dead letter, with those of its texts replaced that could not be read
insert into dead (
    id, queue, lane, priority, attempt, lost, fence, created, finished, task, key, once, headers, cause, failure, body
)
select ?5, ?6, ?7, priority, attempt, lost, fence, created, ?2, ?8, ?9, ?10, ?4, ?3, null, body
from message where seq = ?1
