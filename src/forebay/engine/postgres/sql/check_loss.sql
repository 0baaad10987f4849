-- the newest loss that a worker has found
select extract(epoch from clock_timestamp())::float8 - at, detail from forebay.audit
where verb = 'loss' and actor = 'forebay' order by seq desc limit 1
