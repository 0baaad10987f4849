-- what is in queues that bound their bytes from now on counts as well
update forebay.message set size = octet_length(body) where queue = any ($1::text[]) and size is null
