select seq, at, actor, verb, target, detail from audit where ?2 is null or seq < ?2 order by seq desc limit ?1
