select forebay.charge_meter($1, $2::float8, $3::float8)
