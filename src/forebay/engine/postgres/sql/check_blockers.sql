-- whose open transactions hold up sessions of this namespace ($1); not those that wait themselves, and not our own, which are short
select b.pid, concat_ws(', ', nullif(b.application_name, ''), b.usename, b.state),
    extract(epoch from now() - b.xact_start)::float8, count(distinct w.pid), left(regexp_replace(b.query, '\s+', ' ', 'g'), 80)
from pg_stat_activity w
cross join unnest(pg_blocking_pids(w.pid)) as blocking (pid)
join pg_stat_activity b on b.pid = blocking.pid
where starts_with(w.application_name, left('forebay ' || ($1::text[])[1] || ' ', 63)) and w.datname = current_database()
    and b.wait_event_type is distinct from 'Lock' and b.application_name not like 'forebay %'
group by b.pid, 2, 3, 5 order by 3 desc limit 5
