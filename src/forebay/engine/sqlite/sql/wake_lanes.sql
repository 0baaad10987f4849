-- up to ?4 lanes of queue ?1 that wait for ?2 may be looked at again; in a fair queue those whose turn is first
update lane set go = coalesce(turn - 1e10, ?3), waits = null
where (queue, lane) in (
    select queue, lane from lane indexed by lane_waits where queue = ?1 and waits is not null and waits = ?2
    order by turn limit ?4
)
