-- of a message that runs under this fence, by a worker whose lease holds
update forebay.message m set progress = $1::bytea from forebay.worker w
where m.seq = $2::bigint and m.fence = $3::bigint and m.id = $4 and m.state = 2 and w.id = m.worker
    and w.state <> 'buried' and w.until > coalesce($5::float8, extract(epoch from clock_timestamp())::float8)
returning 1
