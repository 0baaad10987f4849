select queue, what from forebay.closed where queue = any ($1::text[]) and (until is null or until > $2::float8)
