-- what runs with the unique key ?1 has older arguments than message ?2 from now on; remembered until ?3
insert into merged (id, holder, until)
select id, ?2, ?3 from message indexed by message_unique where once is not null and once = ?1 and state = 2
on conflict (id) do update set holder = excluded.holder, until = excluded.until
