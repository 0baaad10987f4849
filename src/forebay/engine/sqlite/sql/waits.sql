-- the gates and named meters that lanes of a queue wait for, each once: a step in the index for each
-- who waits for the meter of a key ('key:…') is woken by whoever frees a slot of it
with recursive thing (name) as (
    select ''
    union all
    select coalesce(
        (
            select min(waits) from lane indexed by lane_waits
            where queue = ?1 and waits is not null and waits > thing.name and waits < 'key:'
        ),
        (
            select min(waits) from lane indexed by lane_waits
            where queue = ?1 and waits is not null and waits > max(thing.name, 'key;')
        )
    )
    from thing where name is not null
)
select name from thing where name > ''
