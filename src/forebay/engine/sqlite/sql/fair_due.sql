-- lanes of a fair queue whose time has come take their turn among the others
update lane set go = turn - 1e10 where (queue, lane) in (
    select queue, lane from lane indexed by lane_go
    where queue = ?1 and go is not null and go > 0 and go <= ?2 and turn is not null limit ?3
)
