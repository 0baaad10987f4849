with old as materialized (
    select id from forebay.merged where until <= $1::float8 order by until limit $2::int for update skip locked
), gone as (delete from forebay.merged m using old where m.id = any (array[old.id]) returning 1)
select count(*) from gone
