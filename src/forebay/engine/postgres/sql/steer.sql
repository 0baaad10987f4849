update forebay.steering set generation = generation + 1, body = $3 where name = $1 and generation = $2 returning 1
