insert into forebay.queue (name) select * from unnest($1::text[]) on conflict do nothing
