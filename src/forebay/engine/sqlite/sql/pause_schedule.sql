-- a tick that was missed while it was paused is forgotten: 0 has the next one found anew
update schedule set paused = ?2, next = case when paused <> 0 and ?2 = 0 and next <= ?3 then 0 else next end
where name = cast(?1 as text)
