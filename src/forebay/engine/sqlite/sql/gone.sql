-- workers whose lease ran out, or that ran before this host was last started
select id from worker where state <> 'buried' and (until <= ?1 or boot <> ?2)
