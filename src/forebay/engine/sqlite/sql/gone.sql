-- workers whose lease ran out, or that ran before this host was last started; ids as bytes, whatever they are
select cast(id as blob) from worker indexed by worker_alive where state <> 'buried' and (until <= ?1 or boot <> ?2)
