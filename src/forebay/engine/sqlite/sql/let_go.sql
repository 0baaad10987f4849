-- empty lanes of a queue whose meters have nothing to remember any more: those written down before ?2
delete from lane where (queue, lane) in (
    select queue, lane from lane indexed by lane_go where queue = ?1 and go is not null and go > ?3 and go <= ?2
        and n <= 0 and running <= 0 and busy <= 0 limit ?4
)
