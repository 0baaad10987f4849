-- is it still under this lease, and how does it stand: asked to stop, workers lost, who else has its unique key, be it
-- that it waits or runs, and newer arguments (accepted later, or merged since), or had them and has ended
-- (overtake.sql); where
select cancel, lost, coalesce((
    select id from message as other indexed by message_unique
    where other.once is not null and other.once = message.once and other.seq <> message.seq
        and (abs(other.seq) > abs(message.seq) or other.created > message.created)
), (
    select holder from merged where message.once is not null and merged.id = message.id
        and not exists (select 1 from finished where finished.id = merged.holder and finished.state <> 'done')
)), lane, coalesce(home, lane), task, key
from message where seq = ?1 and fence = ?2 and id = ?3 and worker = ?4 and state = 2
