delete from message where seq = ?1
