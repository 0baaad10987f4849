-- unless a live message holds its unique key
insert into message (seq, id, queue, lane, state, priority, fence, created, key, once, task, headers, body, cost)
select ?3, id, queue, lane, 1, priority, fence, ?2, key, once, task, headers, body, cost from dead
where seq = ?1 and not exists (select 1 from message as live where live.once is not null and live.once = dead.once)
on conflict (id) do nothing
