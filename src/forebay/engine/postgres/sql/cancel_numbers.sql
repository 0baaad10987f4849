select m.seq, m.id, m.queue, m.lane, m.state, m.cancel, m.lost, null::text, coalesce(m.home, m.lane)
from forebay.message m where m.seq = any ($1::bigint[]) order by m.seq for update
