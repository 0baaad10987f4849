update forebay.queue as q set ttl = s.ttl, firm = q.firm or s.firm
from unnest($1::text[], $2::float8[], $3::bool[]) as s (name, ttl, firm) where q.name = s.name
