-- what these workers hold ($2: and nobody), and how it stands; as owned.sql
select m.seq, m.id, m.queue, m.lane, m.state, m.cancel, m.lost, coalesce((
    select o.id from forebay.message o where o.once = m.once and o.seq <> m.seq
        and (abs(o.seq) > abs(m.seq) or o.created > m.created) limit 1
), (
    select g.holder from forebay.merged g where m.once is not null and g.id = any (array['>' || m.id]) and g.until - 600 >= m.created
        and coalesce((select e.state from forebay.ended e where e.id = any (array[g.holder])), 'done') in ('done', 'dead')
)), coalesce(m.home, m.lane), m.once, m.created
from forebay.message m where m.state = 2 and (m.worker = any ($1::text[]) or ($2 and m.worker is null)) order by m.seq for update
