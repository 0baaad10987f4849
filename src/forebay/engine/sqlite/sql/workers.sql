-- texts as bytes, so that one that is no text hides no other row
select cast(id as blob), cast(host as blob), pid, started, until, cast(state as blob), detail from worker
where state <> 'buried' and (?1 is null or host = ?1) order by started, id
