-- before a lease, in one look: does this worker's lease hold at ?2 in boot ?3, and what else is to be done? does any
-- queue bound something (limits.py), is one of its messages to be stopped, is a message or a gate due at ?4, has a
-- message waited past its time, has any queue a limit (filling.py), and what is the greatest id that has an end (newest_end.sql)?
select
    exists (select 1 from queue indexed by queue_limited where limits is not null),
    exists (select 1 from message indexed by message_running where state = 2 and worker = ?1 and cancel = 1),
    exists (select 1 from message indexed by message_due where state = 0 and due <= ?4)
        or exists (select 1 from closed indexed by closed_until where until is not null and until <= ?4),
    exists (
        select 1 from message indexed by message_expires
        where expires is not null and expires <= ?4 and state in (0, 1)
    ),
    exists (select 1 from queue indexed by queue_room where room is not null),
    cast(max(coalesce((select max(id) from finished), ''), coalesce((select max(id) from dead), '')) as blob)
from worker where id = ?1 and until > ?2 and boot = ?3
