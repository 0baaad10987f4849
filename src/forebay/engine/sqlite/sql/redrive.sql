insert into message (id, queue, lane, state, priority, created, key, uniq, task, headers, failure, body)
select id, queue, lane, 1, priority, ?2, key, uniq, task, headers, failure, body from dead where seq = ?1
on conflict do nothing
