-- is this lane of a queue, or all of the queue, closed by anybody at ?3?
select exists (
    select 1 from closed where queue = ?1 and what in ('', 'lane:' || ?2) and (until is null or until > ?3)
)
