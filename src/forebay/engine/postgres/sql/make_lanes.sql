insert into forebay.lane (queue, lane) select * from unnest($1::text[], $2::text[]) on conflict do nothing
