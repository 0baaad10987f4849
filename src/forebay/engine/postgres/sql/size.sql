-- bytes of what waits and what is kept: the tables as a whole while that is within the limit, for it is known without a
-- look at them; beyond it what is alive in them, for what has gone leaves room that only a vacuum gives back, and much of
-- it only to what comes next. By a sample of some 200 pages of each table, all of a small one; see `publishing.ROW`
with taken as materialized (
    select sum(pg_total_relation_size(to_regclass(name))) as bytes
    from unnest(array['forebay.message', 'forebay.ended']) as name
), part as materialized (
    select
        least(1.0, 200 * 8192.0 / greatest(1, pg_relation_size(to_regclass('forebay.message'))))::float8 as of_message,
        least(1.0, 200 * 8192.0 / greatest(1, pg_relation_size(to_regclass('forebay.ended'))))::float8 as of_ended
)
select case when t.bytes <= $1::bigint then t.bytes else least(t.bytes, (
    select coalesce(sum(400 + pg_column_size(m.body) + coalesce(pg_column_size(m.headers), 0)
        + coalesce(pg_column_size(m.failure), 0) + coalesce(pg_column_size(m.progress), 0)), 0) / p.of_message
    from forebay.message m tablesample system (100 * (select of_message from part))
) + (
    select coalesce(sum(400 + coalesce(pg_column_size(e.body), 0) + coalesce(pg_column_size(e.headers), 0)
        + coalesce(pg_column_size(e.result), 0) + coalesce(pg_column_size(e.failure), 0)
        + coalesce(pg_column_size(e.progress), 0)), 0) / p.of_ended
    from forebay.ended e tablesample system (100 * (select of_ended from part))
)) end::bigint
from taken t, part p
