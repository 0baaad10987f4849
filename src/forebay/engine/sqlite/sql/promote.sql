update message set state = 1
where seq in (select seq from message indexed by message_due where state = 0 and due <= ?1 order by due limit ?2)
returning queue, lane, seq, coalesce(home, lane), task, key
