--#use base
-- drop_schedules: name ...
for at = 3, #ARGV do
    call('HDEL', P .. 'sched', ARGV[at])
    call('HDEL', P .. 'form', ARGV[at])
end
return 1
