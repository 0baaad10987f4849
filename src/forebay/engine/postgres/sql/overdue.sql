-- whether something is due that nobody has made ready yet
select exists (
    select from forebay.message
    where state = 0 and due <= coalesce($1::float8, extract(epoch from clock_timestamp())::float8)
)
