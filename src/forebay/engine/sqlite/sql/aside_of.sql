select body from passage where route = ?1 and id in (select cast(value as text) from carray(?2)) order by n
