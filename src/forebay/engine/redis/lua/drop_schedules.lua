--#use base
-- drop_schedules: name ...
even_if_full()
for at = 3, #ARGV do
    call('HDEL', P .. 'sched', ARGV[at])
    call('HDEL', P .. 'form', ARGV[at])
end
return 1
