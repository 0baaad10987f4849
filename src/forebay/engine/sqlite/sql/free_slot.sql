delete from slot where seq = ?1 and fence = ?2 and worker = ?3 returning queue, mine, task, key
