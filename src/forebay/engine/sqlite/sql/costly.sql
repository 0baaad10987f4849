-- does one of the messages that ready.sql would find from the main lane cost other than 1?
select exists (
    select 1 from (
        select cost from message indexed by message_fresh
        where state = 1 and due is null and queue = ?2 and lane = '' and (expires is null or expires > ?1)
        order by priority desc, seq limit ?3
    ) where cost is not null
)
