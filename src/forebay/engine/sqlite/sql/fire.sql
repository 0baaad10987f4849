update schedule set last = coalesce(?4, last), next = ?3
where name = ?1 and next = ?2 and paused = 0 and next <= ?5
