delete from forebay.ended where id = any ($1::text[]) and state = 'probe'
