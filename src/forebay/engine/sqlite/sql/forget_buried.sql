-- tombstones of an earlier start of this host, whose processes are gone for certain, and all but the newest ?2
delete from worker where state = 'buried' and (boot <> ?1 or id in (
    select id from worker where state = 'buried' order by until desc limit -1 offset ?2
))
