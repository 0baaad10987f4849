-- up to ?6 ready messages of key ?2, of those up to number ?3, that stand in another lane than ?4; ?5 0: in one of
-- another key's, or of none
select seq, lane, task, key, coalesce(home, lane), iif(cost between 0.0 and 1e9, cost, 1.0) from message indexed by message_key
where key = ?2 and seq <= ?3 and queue = ?1 and state = 1
    and case ?5 when 1 then lane else substr(lane, -length(?4)) end <> ?4
limit ?6
