insert into forebay.queue (name, ttl) select * from unnest($1::text[], $2::float8[])
on conflict (name) do update set ttl = excluded.ttl where forebay.queue.ttl is distinct from excluded.ttl
