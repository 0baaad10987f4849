insert into forebay.audit (at, actor, verb, target, detail) values ($1::float8, $2, $3, $4, $5) returning seq
