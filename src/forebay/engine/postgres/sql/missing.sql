-- whether somebody may be lost
select exists (
    select from forebay.worker
    where state <> 'buried' and until <= coalesce($1::float8, extract(epoch from clock_timestamp())::float8)
)
