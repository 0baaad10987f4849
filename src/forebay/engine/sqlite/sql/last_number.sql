-- the largest number that a message has had by our count, and the largest that one has
select coalesce((select n from tally where queue = '' and name = 'seq'), 0), coalesce((select max(seq) from message), 0)
