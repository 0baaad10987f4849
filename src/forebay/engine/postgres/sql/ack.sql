select forebay.ack($1, $2::bigint[], $3::bigint[], $4::bytea[], $5::float8[], $6::float8[], $7::float8, $8::float8)
