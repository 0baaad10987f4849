-- is it still under this lease, and was it asked to stop?
select cancel from message where seq = ?1 and fence = ?2 and id = ?3 and worker = ?4 and state = 2
