-- which of the ids ?1 have an end that is remembered
select cast(value as text) from carray(?1)
where exists (select 1 from finished where id = cast(value as text))
    or exists (select 1 from dead where id = cast(value as text))
