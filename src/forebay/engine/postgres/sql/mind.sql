-- a queue in which messages name meters
insert into forebay.bound (queue, since) select $1, $2::float8 where not exists (select from forebay.bound where queue = $1)
on conflict do nothing
