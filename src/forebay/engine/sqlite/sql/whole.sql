-- of a queue that bounds itself as a whole: its meter, when a rate last let something through, and whether something in it
-- comes back; nothing where it has lanes besides its main one, or a gate is closed at ?2
select name, rate, burst, slots, generation, running, tat, (select n from tally where queue = '' and name = 'charged'),
    exists (
        select 1 from message indexed by message_back
        where state = 1 and due is not null and queue = ?1 and lane = ''
    )
from meter
where name = 'queue:' || ?1
    and not exists (select 1 from lane where queue = ?1 and lane > '')
    and not exists (select 1 from closed where queue in (?1, '') and (until is null or until > ?2))
