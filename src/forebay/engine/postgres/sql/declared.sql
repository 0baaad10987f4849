select name, ttl, firm from forebay.queue where name = any($1::text[])
