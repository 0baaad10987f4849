select forebay.publish_one($1, $2::bytea, $3, $4, $5, $6::bigint, $7::float8, $8, $9::bytea, $10::float8)
