-- lanes of a fair queue of which something runs
select lane, turn, busy, owed, mean from lane indexed by lane_busy where queue = ?1 and turn is not null and busy > 0
