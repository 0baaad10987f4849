-- which queues a worker serves, and with how many slots
update forebay.worker set serves = $2::text[], slots = $3::bigint where id = $1
