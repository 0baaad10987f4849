-- these do not run any more: their slots are free; of which queues
delete from forebay.lasting l using unnest($1::bigint[], $2::bigint[]) as s (seq, fence)
where l.seq = any (array[s.seq]) and l.fence = s.fence and l.worker = $3 returning l.queue
