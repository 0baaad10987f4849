insert into forebay.route (name, mover, about) values ($1, $2, $3)
on conflict (name) do update set mover = excluded.mover, about = excluded.about
