update worker set until = ?2, state = ?3, detail = ?4, pid = ?5
where id = ?1 and state <> 'buried' and until > ?6 and boot = ?7
