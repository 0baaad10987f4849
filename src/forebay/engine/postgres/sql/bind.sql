select forebay.bind_all(
    $1, $2::float8, $3::float8, $4::bigint, $5::float8, $6::float8, $7::bigint, $8::bool, $9::bool, $10::jsonb, $11::bool,
    $12::float8
)
