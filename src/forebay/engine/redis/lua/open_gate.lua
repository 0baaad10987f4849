--#use base place
-- open_gate: its name, queue. What waited behind it wakes whoever waits for that queue.
call('HDEL', P .. 'gates', ARGV[3])
stir(ARGV[4])
return 1
