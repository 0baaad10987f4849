-- the greatest id that has an end, as bytes: ids grow with time, so that new ones mostly need no closer look
select cast(max(coalesce((select max(id) from finished), ''), coalesce((select max(id) from dead), '')) as blob)
