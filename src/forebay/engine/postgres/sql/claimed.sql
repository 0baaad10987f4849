select mover from forebay.route where name = $1 for share
