select id from message where id in (select cast(value as text) from carray(?1))
