-- unique keys of one transaction, in one order for all, so that nobody waits in a circle; as publish_once takes them
select pg_advisory_xact_lock(number) from (
    select distinct hashtextextended('forebay.' || key, 4670) as number from unnest($1::text[]) as key order by 1
) as numbers
