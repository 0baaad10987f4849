-- ids by their end, ?1; each part reads an index of ids alone
select id from message where substr(id, -length(?1)) = ?1
union all select id from finished where substr(id, -length(?1)) = ?1
union all select id from dead where substr(id, -length(?1)) = ?1
limit ?2
