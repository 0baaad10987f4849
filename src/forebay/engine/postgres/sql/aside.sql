select n, body from forebay.passage where route = $1 and n > $2 order by n limit $3
