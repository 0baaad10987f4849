update forebay.queue as q set ttl = s.ttl, firm = q.firm or s.firm, lifo = s.lifo, most = s.most, most_bytes = s.most_bytes,
    most_age = s.most_age, on_full = s.on_full, patience = s.patience, reserve = s.reserve, keep = $11::float8,
    drain = case when (q.most, q.most_bytes) is not distinct from (s.most, s.most_bytes) then q.drain end
from unnest(
    $1::text[], $2::float8[], $3::bool[], $4::bool[], $5::bigint[], $6::bigint[], $7::float8[], $8::text[], $9::float8[],
    $10::float8[]
) as s (name, ttl, firm, lifo, most, most_bytes, most_age, on_full, patience, reserve) where q.name = s.name
