-- the row stays a while as a tombstone, so that a frozen worker that comes back is told
update worker set state = 'buried', until = 0, started = ?2 where id = cast(?1 as text)
