-- a tombstone for a worker whose row is gone, so that it is told if it still lives
insert into worker (id, until, state, detail, pid, host, boot, started)
values (cast(?1 as text), ?2, 'buried', x'', 0, '', ?3, ?4) on conflict do nothing
