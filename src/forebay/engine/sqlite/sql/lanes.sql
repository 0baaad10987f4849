-- the open lanes of a queue
select lane from lane
where queue = ?1 and not exists (select 1 from gate where gate.queue = ?1 and gate.lane in ('*', lane.lane))
