delete from forebay.schedule where name = any ($1::text[])
