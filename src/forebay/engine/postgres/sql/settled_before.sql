-- which of these leases of worker $1 ended their message, by numbers, ids, fences and losses: a burial would have added a loss
select l.seq
from unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[]) as l (seq, id, fence, lost)
join forebay.ended e on e.id = any (array[l.id]) and e.fence = l.fence and e.lost = l.lost
where e.worker = $1
