-- the greatest id that has an end: ids grow with time, so that new ones mostly need no closer look
select max(coalesce((select max(id) from finished), ''), coalesce((select max(id) from dead), ''))
