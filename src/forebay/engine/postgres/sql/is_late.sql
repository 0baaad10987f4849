-- whether the message that held a unique key a moment ago has ended since, or waits and is too late to start
select not exists (
    select from forebay.message m
    where m.id = any (array[$1]) and (
        m.state = 2 or m.expires is null or m.expires > coalesce($2::float8, extract(epoch from clock_timestamp()))
    )
)
