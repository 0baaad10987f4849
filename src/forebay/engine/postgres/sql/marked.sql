select id from forebay.mark where route = $1 and id = any ($2::text[])
