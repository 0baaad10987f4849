-- the routes that something is kept for
select name, about, (select count(*) from passage where route = name) as aside,
    (select count(*) from mark where route = name) as marked
from route where name <> '' and (
    exists (select 1 from passage where route = name) or exists (select 1 from mark where route = name)
) order by name
