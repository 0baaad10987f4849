-- ?1 fewer run behind a meter; whether it had no slot left before
update meter set running = max(0, running - ?1) where name = ?2
returning slots is not null and running + ?1 >= slots
