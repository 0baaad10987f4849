-- one lane of queue ?1 that waits for ?2 may be looked at again at ?3, and with it all others that wait for the same
update lane set go = ?3, waits = null
where (queue, lane) in (
    select queue, lane from lane indexed by lane_waits where queue = ?1 and waits is not null and waits = ?2
    order by turn limit 1
)
