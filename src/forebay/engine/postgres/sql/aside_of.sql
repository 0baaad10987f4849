select body from forebay.passage where route = $1 and id = any ($2::text[]) order by n for update
