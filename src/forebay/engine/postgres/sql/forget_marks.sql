delete from forebay.mark where route = $1 and ($2::text[] is null or id = any ($2::text[]))
