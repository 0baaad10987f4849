-- tombstones for workers whose row is gone, so that they are told if they still live
insert into forebay.worker (id, host, pid, started, until, state, beat)
select name, '', 0, $2::float8, $2::float8, 'buried', '' from unnest($1::text[]) as name on conflict do nothing
