-- lanes of a queue that may be looked at, ?5 from ?4 on: its main one and its like (go 0), which always may, then in turn
-- what may go at any time stands ?3 before its time
-- ?6: lanes that somebody does not want, with all that is apart in them; null if there is none
with open (lane, n, go, tat, running, gathered, turn, busy, owed, mean, at) as (
    select lane, n, go, tat, running, gathered, turn, busy, owed, mean, 0 from lane indexed by lane_go
    where queue = ?1 and go is not null and go = 0
    union all
    select * from (
        select lane, n, go, tat, running, gathered, turn, busy, owed, mean, go - ?3 from lane indexed by lane_go
        where queue = ?1 and go is not null and go < 0
            and (?6 is null or substr(lane, 1, instr(lane || '|', '|') - 1) not in (select cast(value as text) from carray(?6)))
        order by go limit ?4 + ?5
    )
    union all
    select * from (
        select lane, n, go, tat, running, gathered, turn, busy, owed, mean, go from lane indexed by lane_go
        where queue = ?1 and go is not null and go > 0 and go <= ?2
            and (?6 is null or substr(lane, 1, instr(lane || '|', '|') - 1) not in (select cast(value as text) from carray(?6)))
        order by go limit ?4 + ?5
    )
)
select lane, n, go, tat, running, gathered, turn, busy, owed, mean from open order by at limit ?5 offset ?4
