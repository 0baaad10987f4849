insert into forebay.lane (queue, lane, priority) select * from unnest($1::text[], $2::text[], $3::bigint[])
on conflict do nothing
