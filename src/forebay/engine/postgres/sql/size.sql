select sum(pg_total_relation_size(to_regclass(name))) from unnest(array['forebay.message', 'forebay.ended']) as name
