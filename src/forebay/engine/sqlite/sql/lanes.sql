-- the open lanes of the queues ?1 in which something is ready, queue by queue in the order given; ?2 is now
select lane.queue, lane.lane from carray(?1) as name cross join lane on lane.queue = name.value
where not exists (
    select 1 from gate
    where gate.queue = lane.queue and gate.lane in ('*', lane.lane) and (gate.until is null or gate.until > ?2)
) and exists (
    select 1 from message indexed by message_ready
    where state = 1 and message.queue = lane.queue and message.lane = lane.lane
)
