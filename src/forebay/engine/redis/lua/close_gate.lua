--#use base count sound message tell gates lanes meters
-- close_gate: its name, queue, then packed: lane, reason, holder, until (-1 for ever), task, key.
even_if_full()
local about = cmsgpack.unpack(ARGV[5])
if ARGV[4] ~= '' then
    call('SADD', P .. 'queues', ARGV[4])
end
close_gate(
    ARGV[3],
    {ARGV[4], about[1] or false, about[2], now, about[3], about[4], about[5] or false, about[6] or false}
)
return 1
