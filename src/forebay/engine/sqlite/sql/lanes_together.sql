-- when the last of the next ?4 lanes of a queue may go, of those that may until ?3 and not yet at ?2
select max(go) from (
    select go from lane indexed by lane_go where queue = ?1 and go > ?2 and go <= ?3 order by go limit ?4
)
