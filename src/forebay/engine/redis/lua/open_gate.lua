--#use base count sound message tell gates lanes meters
-- open_gate: its name, queue ('' for all). What waited behind it wakes whoever waits for it.
even_if_full()
call('HDEL', P .. 'gates', ARGV[3])
call('SREM', P .. 'ag', ARGV[3])
for _, queue in ipairs(ARGV[4] ~= '' and {ARGV[4]} or call('SMEMBERS', P .. 'queues')) do
    stir(queue)
end
return 1
