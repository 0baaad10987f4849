(select id from forebay.message where right(id, length($1)) = $1 limit $2::int)
union all (select id from forebay.ended where right(id, length($1)) = $1 limit $2::int)
limit $2::int
