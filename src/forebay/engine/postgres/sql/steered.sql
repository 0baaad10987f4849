select name, generation, body from forebay.steering where $1::text[] is null or name = any ($1::text[])
