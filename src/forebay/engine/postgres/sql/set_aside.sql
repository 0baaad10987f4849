insert into forebay.passage (route, id, body)
select $1, p.id, p.body from unnest($2::text[], $3::bytea[]) with ordinality as p (id, body, n) order by p.n
