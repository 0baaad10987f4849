-- until when lanes ($2) of a queue wait for one of theirs that has started and waits for a time
select distinct on (lane) lane, case when state = 0 then due end
from forebay.message where state in (0, 1) and holds and queue = $1 and lane = any ($2::text[]) order by lane, seq
