-- unless a live message holds its unique key
insert into message (id, queue, lane, state, priority, fence, created, key, uniq, task, headers, body)
select id, queue, lane, 1, priority, fence, ?2, key, uniq, task, headers, body from dead
where seq = ?1 and not exists (select 1 from message as live where live.uniq is not null and live.uniq = dead.uniq)
on conflict do nothing
