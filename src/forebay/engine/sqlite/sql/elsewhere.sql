-- is this message still there, or has it ended, other than as done by this worker?
select exists (select 1 from message where id = ?1) or exists (select 1 from dead where id = ?1)
    or exists (select 1 from finished where id = ?1 and (state <> 'done' or worker is not ?2))
