select forebay.put_meter($1, $2::float8, $3::float8, $4::bigint, $5::bigint, $6::float8)
