select once, id from forebay.message where once = any ($1::text[])
