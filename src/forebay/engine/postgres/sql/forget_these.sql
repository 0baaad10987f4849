-- what of these ids stands aside, or is marked
with gone as (delete from forebay.passage where route = $1 and id = any ($2::text[]))
delete from forebay.mark where route = $1 and id = any ($2::text[])
