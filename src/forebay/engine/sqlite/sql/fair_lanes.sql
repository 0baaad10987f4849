-- what these lanes of a fair queue have had
select lane, turn, busy, owed, mean from lane
where queue = ?1 and lane in (select cast(value as text) from carray(?2)) and turn is not null
