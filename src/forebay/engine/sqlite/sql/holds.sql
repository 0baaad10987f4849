-- does this worker's lease still hold?
select 1 from worker where id = ?1 and until > ?2 and boot = ?3
