select forebay.ripen($1::int, $2::float8, $3, $4::float8)
