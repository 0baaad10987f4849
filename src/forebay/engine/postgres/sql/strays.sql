-- under whom messages run that has no row, or a buried one (null: under nobody); a step in the index for each worker
with recursive holder (id) as (
    (select worker from forebay.message where state = 2 order by worker limit 1)
    union all
    select (select m.worker from forebay.message m where m.state = 2 and m.worker > holder.id order by m.worker limit 1)
    from holder where holder.id is not null
)
select id from holder where id is not null and not exists (
    select from forebay.worker where worker.id = holder.id and worker.state <> 'buried'
)
union all
select null where exists (select from forebay.message where state = 2 and worker is null)
