-- texts as bytes, so that one that is no text hides no other row
select seq, at, cast(actor as blob), cast(verb as blob), cast(target as blob), cast(detail as blob) from audit
where ?2 is null or seq < ?2 order by seq desc limit ?1
