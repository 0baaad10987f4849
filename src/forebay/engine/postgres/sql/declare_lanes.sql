insert into forebay.lane (queue, lane) select name, '' from unnest($1::text[]) as name on conflict do nothing
