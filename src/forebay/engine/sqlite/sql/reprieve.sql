-- who held a lease at ?2 holds it until ?1 at the least: nobody could renew one in between
update worker set until = ?1 where until > ?2 and until < ?1 and state <> 'buried'
