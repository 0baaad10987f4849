delete from forebay.worker where id in (
    select id from forebay.worker where state = 'buried' order by until desc offset $1::int
)
