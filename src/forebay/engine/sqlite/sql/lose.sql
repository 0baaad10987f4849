update message set state = 1, lost = ?2, worker = null, leased = null where seq = ?1
