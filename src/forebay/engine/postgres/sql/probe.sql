-- fails if one of these has ended since the snapshot of this transaction; what it writes is taken back by probe_end
insert into forebay.ended (id, queue, lane, task, state, priority, attempt, lost, fence, created, finished)
select id, '', '', '', 'probe', 0, 0, 0, 0, 0, 0 from unnest($1::text[]) as id on conflict (id) do nothing
