-- which of the lanes $2 of a fair queue wait because they are slow (slow_room)
select lane from forebay.apart where queue = $1 and lane = any ($2::text[]) and waits = 'slow:'
