insert into forebay.route (name, mover, about) values ('', $1, '') on conflict do nothing
