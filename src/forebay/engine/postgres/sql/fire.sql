-- A row that is locked is being fired by somebody else, who may wait for the disk: that is no trouble, and no tick of ours.
update forebay.schedule set last = coalesce($4::float8, last), next = $3::float8
where name = (
    select name from forebay.schedule
    where name = $1 and next = $2::float8 and not paused and next <= $5::float8
    for update skip locked
) returning 1
