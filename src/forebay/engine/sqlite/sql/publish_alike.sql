-- many messages at once that differ in id and body only: ?1 is an array of blobs, 32 bytes of id and then the body;
-- their numbers follow ?15, times ?16: -1 where the newest goes first
-- that none of them has ended was seen before (ended.sql)
insert into message (
    seq, id, queue, lane, state, priority, created, due, expires, key, once, task, headers, home, cost, body
)
select ?16 * (?15 + new.rowid), cast(substr(new.value, 1, 32) as text), ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,
    substr(new.value, 33)
from carray(?1) as new
where true on conflict (id) do nothing
