-- one message, unless its id is known (live, ended within its retention, or dead); who holds its key was looked at
insert into message (
    seq, id, queue, lane, state, priority, created, due, expires, key, once, task, headers, home, cost, body
)
select ?16, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15
where not exists (select 1 from finished where id = ?1) and not exists (select 1 from dead where id = ?1)
on conflict (id) do nothing
