select forebay.drop_meter($1)
