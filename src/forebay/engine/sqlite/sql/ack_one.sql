delete from message where seq = ?1 and fence = ?2 and id = ?3 and worker = ?4 and state = 2
