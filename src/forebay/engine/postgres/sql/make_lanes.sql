-- lanes that running messages are to be put into, each for the priorities of those
insert into forebay.lane (queue, lane, priority)
select distinct m.queue, a.lane, m.priority
from unnest($1::bigint[], $2::text[]) as a (seq, lane) join forebay.message m on m.seq = any (array[a.seq])
order by 1, 2, 3
on conflict do nothing
