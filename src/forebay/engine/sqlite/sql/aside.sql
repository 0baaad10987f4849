select n, body from passage where route = ?1 and n > ?2 order by n limit ?3
