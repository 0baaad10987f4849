update forebay.schedule set last = coalesce($4::float8, last), next = $3::float8
where name = $1 and next = $2::float8 and not paused and next <= $5::float8 returning 1
