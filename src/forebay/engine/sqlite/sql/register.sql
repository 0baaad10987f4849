insert into worker (id, until, state, detail, pid, host, boot, started) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
on conflict do nothing
