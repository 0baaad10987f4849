-- texts as bytes, so that one that is no text hides no other row
select cast(queue as blob), cast(name as blob), n from tally
