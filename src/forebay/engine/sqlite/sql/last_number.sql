-- the largest number that a message has or had
select max(
    coalesce((select max(seq) from message), 0),
    coalesce((select seq from sqlite_sequence where name = 'message'), 0)
)
