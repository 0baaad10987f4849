-- texts as bytes, so that one that is no text stops nobody
select cast(queue as blob), cast(what as blob), cast(reason as blob), since, cast(holder as blob), until from closed
where queue in ('', ?2) and (until is null or until > ?1)
