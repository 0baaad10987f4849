-- is this id taken: live, ended within its retention, or dead?
select exists (select 1 from message where id = ?1)
    or exists (select 1 from finished where id = ?1) or exists (select 1 from dead where id = ?1)
