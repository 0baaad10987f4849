-- what should be in the schema, and is not
with here (oid) as (select relnamespace from pg_class where oid = 'forebay.version'::regclass)
select wanted.kind, wanted.name from here, unnest($1::text[], $2::text[]) as wanted (kind, name)
where not case wanted.kind
    when 'function' then exists (select from pg_proc where pronamespace = here.oid and proname = wanted.name)
    when 'type' then exists (select from pg_type where typnamespace = here.oid and typname = wanted.name)
    else exists (select from pg_class where relnamespace = here.oid and relname = wanted.name)
end
order by wanted.kind = 'index', wanted.kind <> 'table', 1, 2
