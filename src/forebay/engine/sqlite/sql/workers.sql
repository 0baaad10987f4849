select id, host, pid, started, until, state, detail from worker where state <> 'buried' order by started, id
