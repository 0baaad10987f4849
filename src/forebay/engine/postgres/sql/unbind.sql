select forebay.unbind($1::float8)
