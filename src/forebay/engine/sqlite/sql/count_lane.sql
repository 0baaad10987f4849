-- messages of lane ?2 of queue ?1 that are ready, be it too late
select (select count(*) from message indexed by message_fresh where state = 1 and due is null and queue = ?1 and lane = ?2)
    + (select count(*) from message indexed by message_back where state = 1 and due is not null and queue = ?1 and lane = ?2)
