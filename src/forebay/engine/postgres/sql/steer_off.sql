delete from forebay.steering where name = $1 and generation = $2 returning 1
