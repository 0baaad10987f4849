-- have those who listen told at the commit; and how much of what comes meanwhile this transaction sees
select current_setting('transaction_isolation'), count(pg_notify($1, payload)) from unnest($2::text[]) as payload
