-- is the gate of this lane, or of its whole queue, closed by anybody at ?3?
select exists (select 1 from closed where queue = ?1 and lane in ('*', ?2) and (until is null or until > ?3))
