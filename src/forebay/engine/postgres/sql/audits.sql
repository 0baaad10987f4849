select seq, at, actor, verb, target, detail from forebay.audit
where $2::bigint is null or seq < $2::bigint order by seq desc limit $1::int
