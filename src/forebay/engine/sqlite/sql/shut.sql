-- is the gate of this lane, or of its whole queue, closed?
select exists (select 1 from gate where queue = ?1 and lane in ('*', ?2))
