-- what has started before and waits in these lanes of an ordered queue, in order of acceptance: nothing of its lane starts
-- before the first of it; as heads.sql tells of it, whether it waits for a time, and until when
select seq, lane, task, key, coalesce(home, lane), coalesce(cost, 1.0), state = 0, due from message indexed by message_holds
where holds = 1 and state in (0, 1) and queue = ?1 and lane in (select cast(value as text) from carray(?2))
    and (state = 0 or expires is null or expires > ?3)
order by seq
