-- many messages at once that differ in id and body only: ?1 is an array of blobs, 32 bytes of id and then the body
-- that none of them has ended was seen before (ended.sql)
insert into message (id, queue, lane, state, priority, created, due, expires, key, once, task, headers, body)
select cast(substr(new.value, 1, 32) as text), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, substr(new.value, 33)
from carray(?1) as new
where true on conflict do nothing
