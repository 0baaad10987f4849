select id, state from forebay.ended where id = any ($1::text[])
