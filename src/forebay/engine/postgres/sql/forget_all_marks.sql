delete from forebay.mark where route = $1
