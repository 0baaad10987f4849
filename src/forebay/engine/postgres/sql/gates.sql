select queue, what, reason, since, holder, until from forebay.closed
where until is null or until > coalesce($1::float8, extract(epoch from clock_timestamp())::float8)
order by queue, what, holder
