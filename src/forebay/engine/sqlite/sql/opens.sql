-- when queue ?1 goes on, all of which is closed at ?2; null if it is not, or if somebody holds it for good
select max(until) from closed where queue = ?1 and what = '' and (until is null or until > ?2) having count(*) = count(until)
