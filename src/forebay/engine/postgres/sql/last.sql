-- these will have ended, and run on: they keep their slots
insert into forebay.lasting (seq, fence, worker, queue, task, key, mine)
select m.seq, m.fence, m.worker, m.queue, m.task, m.key, coalesce(m.home, m.lane)
from forebay.message m join unnest($1::bigint[], $2::bigint[]) as l (seq, fence) on m.seq = any (array[l.seq]) and m.fence = l.fence
where m.worker || '' = $3 and m.state + 0 = 2 on conflict do nothing
