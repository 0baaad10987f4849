-- what a worker holds, and how it stands (owned.sql); the queue as bytes, whatever it is
select seq, cast(queue as blob), cast(id as blob), cancel, lost, coalesce((
    select id from message as other indexed by message_unique
    where other.once is not null and other.once = message.once and other.seq <> message.seq
        and (abs(other.seq) > abs(message.seq) or other.created > message.created)
), (
    select holder from merged where message.once is not null and merged.id = message.id
        and not exists (select 1 from finished where finished.id = merged.holder and finished.state <> 'done')
)), lane, coalesce(home, lane), task, key
from message indexed by message_running where state = 2 and worker is cast(?1 as text)
