-- the routes that something is kept for
select name, about, aside, marked from (
    select r.name, r.about, (select count(*) from forebay.passage p where p.route = r.name) as aside,
        (select count(*) from forebay.mark m where m.route = r.name) as marked
    from forebay.route r where r.name <> ''
) as kept where aside + marked > 0 order by name
