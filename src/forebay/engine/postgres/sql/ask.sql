update forebay.message set cancel = true where seq = any ($1::bigint[]) and not cancel
