-- the row stays as a tombstone; `until` is when it was buried
update forebay.worker set state = 'buried', until = $2::float8
where (id = any ($1::text[]) or until <= $2::float8) and state <> 'buried' returning id
