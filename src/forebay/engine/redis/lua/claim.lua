--#use base
-- claim: route, mover, where it leads.
even_if_full()
call('HSET', P .. 'mv', ARGV[3], ARGV[4])
call('HSET', P .. 'mva', ARGV[3], ARGV[5])
return 1
