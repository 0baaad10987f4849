delete from forebay.audit where seq <= $1::bigint
