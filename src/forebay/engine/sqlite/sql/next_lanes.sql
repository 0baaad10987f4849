-- of each of these queues (?1) that bounds something: when its next lane may go that may not yet (at ?2)
select name, (select go from lane indexed by lane_go where lane.queue = name and go > ?2 and go < 5e9 order by go limit 1)
from queue indexed by queue_limited
where limits is not null and name in (select cast(value as text) from carray(?1))
