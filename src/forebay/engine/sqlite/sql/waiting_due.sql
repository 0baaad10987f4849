-- what the sweeps of a lease would touch: due, or past its time
select seq from (select seq from message indexed by message_due where state = 0 and due <= ?1 order by due limit ?2)
union
select seq from (
    select seq from message indexed by message_expires
    where expires is not null and expires <= ?1 and state in (0, 1) limit ?2
)
