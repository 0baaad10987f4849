-- which of these ids are taken, live or ended
select id from forebay.message where id = any ($1::text[])
union select id from forebay.ended where id = any ($1::text[])
