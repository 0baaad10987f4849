-- what a lease takes before $1 of its lane, up to $2
select count(*) from (
    select 1 from forebay.message me join forebay.message other
    on other.state = 1 and other.queue = me.queue and other.lane = me.lane
        and (other.priority > me.priority or (other.priority = me.priority and other.seq < me.seq))
    where me.id = $1 and me.state = 1 limit $2::int
) as before
