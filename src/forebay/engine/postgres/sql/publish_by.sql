select forebay.publish(
    $1::text[], $2::bytea[], $3, $4, $5, $6::bigint, $7::float8, $8::float8, $9::float8, $10, $11, $12::bytea,
    $13::bigint, $14::bigint, $15::float8, $16::bytea, $17::float8, $18::float8, $19::integer, $20::bigint
)
