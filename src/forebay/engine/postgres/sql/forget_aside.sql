delete from forebay.passage where route = $1 and id = any ($2::text[])
