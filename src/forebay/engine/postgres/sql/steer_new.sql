insert into forebay.steering (name, generation, body) values ($1, 1, $2) on conflict do nothing returning 1
