with old as materialized (
    select n from forebay.ended where forget <= $1::float8 order by forget limit $2::int for update skip locked
), gone as (delete from forebay.ended e using old where e.n = any (array[old.n]) returning 1)
select count(*) from gone
