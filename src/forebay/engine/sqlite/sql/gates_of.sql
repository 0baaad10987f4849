select queue, what, reason, since, holder, until from closed
where queue in ('', ?2) and (until is null or until > ?1)
