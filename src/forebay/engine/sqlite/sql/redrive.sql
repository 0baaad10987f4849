insert into message (id, queue, lane, state, priority, fence, created, key, uniq, task, headers, body)
select id, queue, lane, 1, priority, fence, ?2, key, uniq, task, headers, body from dead where seq = ?1
on conflict do nothing
