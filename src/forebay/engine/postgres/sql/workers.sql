select id, host, pid, started, until - coalesce($2::float8, extract(epoch from clock_timestamp())::float8), state, beat
from forebay.worker where state <> 'buried' and ($1::text is null or host = $1) order by started, id
