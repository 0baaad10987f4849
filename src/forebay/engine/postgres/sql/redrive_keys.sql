select once from forebay.ended where n = any ($1::bigint[]) and state = 'dead' and once is not null
