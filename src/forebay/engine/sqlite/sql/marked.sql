select id from mark where route = ?1 and id in (select cast(value as text) from carray(?2))
