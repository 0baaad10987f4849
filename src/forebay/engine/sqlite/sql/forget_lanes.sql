-- those of the lanes ?2 that hold nothing, and whose meter has nothing to remember at ?3
delete from lane where queue = ?1 and lane in (select cast(value as text) from carray(?2))
    and n <= 0 and running <= 0 and busy <= 0 and (tat is null or tat <= ?3)
