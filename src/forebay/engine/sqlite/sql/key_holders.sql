select once, id from message where once in (select cast(value as text) from carray(?1))
