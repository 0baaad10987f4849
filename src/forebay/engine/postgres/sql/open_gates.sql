delete from forebay.closed where until <= $1::float8 returning queue
