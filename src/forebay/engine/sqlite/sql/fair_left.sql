-- something of a lane runs no more; where nothing is left in it, what it owes is remembered until ?7
update lane set turn = ?3, busy = ?4, owed = ?5, mean = ?6,
    go = case when go < 0 then ?3 - 1e10 when n <= 0 and go is null and ?4 <= 0 then ?7 else go end
where queue = ?1 and lane = ?2
