-- in one order for all, so that nobody waits in a circle
select name from forebay.queue where name = any($1::text[]) order by name for update
