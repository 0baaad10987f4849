-- which of these leases hold, and how what they are about stands: asked to stop, workers lost, who else has its
-- unique key, be it that it waits or runs, and newer arguments (accepted later, or merged since), or had them and
-- has ended (overtake.sql; what it was merged into again since is newer still)
select m.seq, m.id, m.queue, m.lane, m.state, m.cancel, m.lost, coalesce((
    select o.id from forebay.message o where o.once = m.once and o.seq <> m.seq
        and (abs(o.seq) > abs(m.seq) or o.created > m.created) limit 1
), (
    select g.holder from forebay.merged g where m.once is not null and g.id = any (array['>' || m.id]) and g.until - 600 >= m.created
        and coalesce((select e.state from forebay.ended e where e.id = any (array[g.holder])), 'done') in ('done', 'dead')
)), coalesce(m.home, m.lane), m.once, m.created
from forebay.message m join unnest($1::bigint[], $2::bigint[]) as l (seq, fence) on m.seq = any (array[l.seq]) and m.fence = l.fence
where m.worker || '' = $3 and m.state + 0 = 2 order by l.seq for update of m
