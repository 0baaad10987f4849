-- a tick that was missed while it was paused is forgotten: 0 has the next one found anew
update forebay.schedule set paused = $2::bool, next = case when paused and not $2::bool and next <= $3::float8 then 0 else next end
where name = $1 returning 1
