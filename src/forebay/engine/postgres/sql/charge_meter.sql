select forebay.charge_meter($1, $2::float8, $3::bigint, $4::float8)
