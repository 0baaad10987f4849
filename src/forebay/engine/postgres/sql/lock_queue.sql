-- as `bind` takes it: nobody else declares this queue until this is over
select pg_advisory_xact_lock(forebay.lock_number('queue:' || $1::text))
