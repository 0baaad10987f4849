-- a queue was found full while a batch came in that has filled it (flow.limit.refused)
update forebay.queue set drain[5] = $2::float8 where name = $1 and drain is not null and coalesce(drain[5], 0) = 0
