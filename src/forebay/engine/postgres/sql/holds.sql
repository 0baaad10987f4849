select coalesce($2::float8, extract(epoch from clock_timestamp())::float8) as t, exists (
    select from forebay.worker where id = $1 and state <> 'buried'
        and until > coalesce($2::float8, extract(epoch from clock_timestamp())::float8)
)
