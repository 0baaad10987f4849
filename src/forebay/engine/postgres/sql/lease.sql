select * from forebay.lease(
    $1, $2::text[], $3::int, $4::float8, $5::jsonb, $6::bigint, $7::bigint, $8::bigint[], $9, $10::float8, $11::jsonb, $12::bool
)
