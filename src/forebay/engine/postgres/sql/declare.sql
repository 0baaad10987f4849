update forebay.queue as q set ttl = s.ttl, firm = q.firm or s.firm, most = s.most, most_bytes = s.most_bytes,
    most_age = s.most_age, on_full = s.on_full, patience = s.patience, keep = $9::float8,
    drain = case when q.most is not distinct from s.most then q.drain end
from unnest(
    $1::text[], $2::float8[], $3::bool[], $4::bigint[], $5::bigint[], $6::float8[], $7::text[], $8::float8[]
) as s (name, ttl, firm, most, most_bytes, most_age, on_full, patience) where q.name = s.name
