delete from lane where queue = ?1 and lane in (select cast(value as text) from carray(?2))
