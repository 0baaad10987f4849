-- a message is asked by each of its partial indexes whether it belongs in there, when it is put in, leased and taken
-- out: fewer of them, and first what the most messages fail at once
drop index message_cancel;
drop index message_running;
create index message_running on message (worker, cancel) where state = 2;
drop index message_later;
drop index message_odd;
create index message_rest on message (state, queue, seq) where state <> 1 and state <> 2;
drop index message_back;
create index message_back on message (queue, lane, priority desc, seq) where due is not null and state = 1;
drop index message_age;
create index message_age on message (queue, due) where due is not null and state = 1;
