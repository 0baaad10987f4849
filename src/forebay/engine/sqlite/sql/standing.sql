-- how a queue stands before a lease from it: is a gate closed at ?2 that may hold some of it? when did a rate last let
-- something through? has it a meter of its own? does a lane wait for something that each lease has to ask for (waits.sql)?
-- has an empty one nothing to remember any more (let_go.sql)? and does something come back, as heads.sql has to ask?
select
    exists (select 1 from closed where queue in ('', ?1) and (until is null or until > ?2)),
    coalesce((select n from tally where queue = '' and name = 'charged'), 0),
    exists (select 1 from meter where name = 'queue:' || ?1),
    exists (select 1 from lane indexed by lane_waits where queue = ?1 and waits is not null and waits < 'key:')
        or exists (select 1 from lane indexed by lane_waits where queue = ?1 and waits is not null and waits > 'key;'),
    exists (
        select 1 from lane indexed by lane_go where queue = ?1 and go is not null and go > ?4 and go <= ?3
            and n <= 0 and running <= 0 and busy <= 0
    ),
    exists (select 1 from message indexed by message_back where state = 1 and due is not null and queue = ?1)
