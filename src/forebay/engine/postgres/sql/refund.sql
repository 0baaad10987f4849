-- these have not started
insert into forebay.refund (queue, mine, task, key, cost)
select queue, coalesce(home, lane), task, key, coalesce(cost, 1) from forebay.message where seq = any ($1::bigint[]) and counted
