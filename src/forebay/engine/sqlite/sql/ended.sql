-- which of the ids ?1 have an end that is remembered
select value from carray(?1)
where exists (select 1 from finished where id = value) or exists (select 1 from dead where id = value)
