-- a row if the present transaction is the one in which a message ($1 number, $2 fence, $3 id) was settled: it does not run
-- here any more, and what is written of its end is not older than this transaction
select 1 where pg_current_xact_id_if_assigned() is not null
    and not exists (select from forebay.message m where m.seq = $1 and m.fence = $2 and m.state = 2)
    and not exists (
        select from forebay.ended e where e.id = $3
        and e.xmin::text::bigint < (pg_current_xact_id_if_assigned()::text::bigint % 4294967296)
    )
