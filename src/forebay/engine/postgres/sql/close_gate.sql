select forebay.close_gate($1, $2, $3, $4, $5::float8, $6::float8)
