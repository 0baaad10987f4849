-- renew or register; false if it was buried, or its lease has run out
-- and which table of messages this is, and its newest number where this user may see that: see `mark`
with now as (
    select coalesce($7::float8, extract(epoch from clock_timestamp())::float8) as t
), renewed as (
    update forebay.worker set until = t + $2::float8, state = $3, beat = $4::bytea, pid = $5::bigint from now
    where id = $1 and state <> 'buried' and until > t returning 1
), made as (
    insert into forebay.worker (id, host, pid, started, until, state, beat)
    select $1, $6, $5::bigint, t, t + $2::float8, $3, $4::bytea from now where not exists (select from renewed)
    on conflict do nothing returning 1
)
select exists (select from renewed) or exists (select from made),
    'forebay.message'::regclass::oid::bigint,
    case when has_sequence_privilege(numbers.name, 'select') then coalesce(pg_sequence_last_value(numbers.name), 0) end
from (select pg_get_serial_sequence('forebay.message', 'seq')::regclass) as numbers (name)
