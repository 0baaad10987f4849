-- after fold.sql, in its transaction: lanes of what is told apart go away with the last that stands in them
delete from forebay.tally
where strpos(lane, '|') > 0 and ready = 0 and scheduled = 0 and running = 0
    and (select pg_try_advisory_xact_lock(hashtextextended('forebay.fold', $1::bigint)))
