-- one end; a lease that is over finds it there already, and the deletion that follows says no
insert into finished (id, queue, task, state, attempt, created, finished, expires, result)
values (?1, ?2, ?3, 'done', ?4, ?5, ?6, ?7, ?8)
on conflict do nothing
