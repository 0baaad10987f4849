-- something of a lane runs from now on
update lane set turn = ?3, busy = ?4, owed = ?5, mean = ?6 where queue = ?1 and lane = ?2
