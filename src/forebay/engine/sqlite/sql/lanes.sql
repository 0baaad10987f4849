-- the open lanes of the queues ?1 in which something is ready, queue by queue in the order given; ?2 is now
-- the last column says whether some of it comes back, which another statement leases
with open (queue, lane) as (
    select lane.queue, lane.lane
    from carray(?1) as name cross join lane indexed by lane_go on lane.queue = cast(name.value as text) and lane.go = 0
    where not exists (
        select 1 from closed
        where closed.queue = lane.queue and closed.what in ('', 'lane:' || lane.lane)
            and (closed.until is null or closed.until > ?2)
    )
), ready (queue, lane, fresh, back) as (
    select queue, lane, exists (
        select 1 from message indexed by message_fresh
        where state = 1 and due is null and message.queue = open.queue and message.lane = open.lane
    ), exists (
        select 1 from message indexed by message_back
        where state = 1 and due is not null and message.queue = open.queue and message.lane = open.lane
    )
    from open
)
select queue, lane, back from ready where fresh or back
