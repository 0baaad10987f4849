-- texts as bytes, so that one that is no text hides no other row
select cast(queue as blob), cast(what as blob), cast(reason as blob), since, cast(holder as blob), until from closed
where until is null or until > ?1
