-- messages whose state does not exist, which nothing takes
select id, state from forebay.message where state not between 0 and 2 order by seq limit 1000
