select forebay.forget_keys($1::float8)
