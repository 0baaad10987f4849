update message set state = 1, worker = null, leased = null where seq = ?1
