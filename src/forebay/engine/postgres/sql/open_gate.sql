delete from forebay.closed where queue = $1 and what = $2 and holder = $3
