-- one row as bytes, whatever they are
select state, fence, attempt, headers, cast(id as blob), cast(queue as blob), cast(lane as blob), cast(task as blob),
       cast(key as blob), cast(once as blob), cast(home as blob)
from message where seq = ?1
