-- what lanes of a queue wait for, each once: a step in the index for each
with recursive thing (name) as (
    select min(waits) from lane indexed by lane_waits where queue = ?1 and waits is not null
    union all
    select (select min(waits) from lane indexed by lane_waits where queue = ?1 and waits is not null and waits > thing.name)
    from thing where name is not null
)
select name from thing where name is not null
