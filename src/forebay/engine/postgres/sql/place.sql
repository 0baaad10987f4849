-- which server, database and schema this is: no other has the same three; and the name of the database; and whether
-- NULL in an array is one
select concat_ws(chr(10),
    extract(epoch from pg_postmaster_start_time()), (select oid from pg_database where datname = current_database()),
    current_database(), coalesce(to_regnamespace($1)::oid::text, '-')
), current_setting('array_nulls')
