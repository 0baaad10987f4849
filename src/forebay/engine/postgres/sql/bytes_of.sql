select octet_length(body) from forebay.message where id = $1
