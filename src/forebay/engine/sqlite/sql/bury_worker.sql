-- the row stays as a tombstone, so that a frozen worker that comes back is told; `until` is when it was buried
update worker set state = 'buried', until = ?2 where id = cast(?1 as text)
