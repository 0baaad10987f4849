insert into audit (at, actor, verb, target, detail) values (?1, ?2, ?3, ?4, ?5)
