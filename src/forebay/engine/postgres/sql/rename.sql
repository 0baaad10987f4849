-- messages under an id that has ended already, so that their own end has no place: each goes on under one of its own
with taken as (
    select m.seq, m.id from forebay.message m where exists (select from forebay.ended e where e.id = m.id)
    for update of m skip locked
), renamed as (
    update forebay.message m set id = gen_random_uuid()::text from taken where m.seq = any (array[taken.seq])
    returning m.seq, m.id, taken.id as old, m.queue
)
insert into forebay.audit (at, actor, verb, target, detail)
select $1::float8, 'forebay', 'rename', r.queue, format(
    'message %s is now %s: one of that id had ended, and none of ours wrote this row', quote_literal(left(r.old, 200)), r.id
)
from renamed r returning 1
