insert into forebay.mark (route, id) select $1, id from unnest($2::text[]) as id
