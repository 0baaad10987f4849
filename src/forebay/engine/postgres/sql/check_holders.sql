-- what holds old snapshots
select format('process %s (%s, %s)', pid, coalesce(nullif(application_name, ''), 'no name'), state),
    extract(epoch from now() - xact_start)::float8
from pg_stat_activity
where backend_xmin is not null and xact_start < now() - interval '60 seconds' and pid <> pg_backend_pid()
union all
select format('prepared transaction %s', gid), extract(epoch from now() - prepared)::float8
from pg_prepared_xacts where prepared < now() - interval '60 seconds'
union all
select format('replication slot %s', slot_name), 0 from pg_replication_slots
where not active and coalesce(xmin, catalog_xmin) is not null
