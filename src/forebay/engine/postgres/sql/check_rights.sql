-- what this user may not do, of what workers do
with here (oid) as (select relnamespace from pg_class where oid = 'forebay.version'::regclass)
select wanted.privilege, found.relname::text
from here join pg_class found on found.relnamespace = here.oid and found.relkind in ('r', 'v')
cross join unnest(array['select', 'insert', 'update', 'delete']) with ordinality as wanted (privilege, n)
where (wanted.n = 1 or (found.relkind = 'r' and found.relname <> 'version'))
    and not has_table_privilege(found.oid, wanted.privilege)
union all
select 'execute', proname::text from here join pg_proc on pronamespace = here.oid
where not has_function_privilege(pg_proc.oid, 'execute')
order by 2, 1
