-- of the queues ?1 that bound something those in which something is ready, or lanes are to be looked at, or forgotten
select cast(name.value as text) from carray(?1) as name
where exists (
    select 1 from message indexed by message_fresh
    where state = 1 and due is null and queue = cast(name.value as text)
) or exists (
    select 1 from message indexed by message_back
    where state = 1 and due is not null and queue = cast(name.value as text)
) or exists (select 1 from lane where queue = cast(name.value as text) and lane > '')
