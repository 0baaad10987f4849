-- dead letters become ready, but one a unique key, and none whose key a live message holds
with dead as (
    select * from forebay.ended where n = any ($1::bigint[]) and state = 'dead' order by n for update
), free as (
    select * from (select *, row_number() over (partition by once order by n) as turn from dead) as d
    where once is null or (d.turn = 1 and not exists (select from forebay.message m where m.once = d.once))
), made as (
    insert into forebay.message (id, queue, lane, state, task, priority, fence, created, cost, key, once, headers, body, size)
    select id, queue, lane, 1, task, priority, fence, $2::float8, cost, key, once, headers, body,
        case when exists (select from forebay.queue q where q.name = free.queue and q.most_bytes is not null) then octet_length(body) end
    from free order by n
    on conflict (id) do nothing returning id
), gone as (
    delete from forebay.ended e using free join made on made.id = free.id where e.n = any (array[free.n]) returning e.queue, e.lane
)
select queue, lane, count(*) from gone group by 1, 2
