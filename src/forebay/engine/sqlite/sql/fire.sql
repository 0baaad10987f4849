update schedule set last = ?2, next = ?3 where name = ?1 and next = ?2 and paused = 0 and next <= ?4
