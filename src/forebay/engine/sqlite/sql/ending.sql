-- ids by their end, ?1; each part reads an index of ids alone
select cast(id as blob) from message where substr(id, -length(?1)) = ?1
union all select cast(id as blob) from finished where substr(id, -length(?1)) = ?1
union all select cast(id as blob) from dead where substr(id, -length(?1)) = ?1
limit ?2
