-- under whom messages run that has no row, or a buried one, as bytes (null: under nobody); a step in the index for each
-- worker, not for each message
with recursive holder (id) as (
    select min(worker) from message indexed by message_running where state = 2
    union all
    select (select min(worker) from message indexed by message_running where state = 2 and worker > holder.id)
    from holder where id is not null
)
select cast(id as blob) from holder where id is not null and not exists (
    select 1 from worker where worker.id = holder.id and worker.state <> 'buried'
)
union all
select null where exists (select 1 from message indexed by message_running where state = 2 and worker is null)
