-- what has become of messages ($1 numbers, $2 fences, $3 ids) that a worker was to be done with in transactions; one
-- whose row is there and held by another transaction is on its way. `backend.Completed`
with asked as materialized (
    select * from unnest($1::bigint[], $2::bigint[], $3::text[]) with ordinality as a (seq, fence, id, n)
), free as materialized (
    select m.seq from forebay.message m where m.seq = any ($1::bigint[]) and m.worker || '' = $4 for update skip locked
)
select case
    when m.seq is null then case when coalesce(e.fence, a.fence) = a.fence then 'committed' else 'lost' end
    when m.fence <> a.fence or m.worker is distinct from $4 or m.state <> 2 then 'lost'
    when exists (select from free f where f.seq = a.seq) then 'undone'
    else 'open'
end
from asked a left join forebay.message m on m.seq = any (array[a.seq]) left join forebay.ended e on e.id = any (array[a.id]) order by a.n
