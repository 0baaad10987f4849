--#use base gates
-- close_gate: its name, queue, '1' if it is about a lane, lane, reason, holder, until (-1 for ever).
local since = now
local packed = call('HGET', P .. 'gates', ARGV[3])
if packed then
    local before = cmsgpack.unpack(packed)
    if before[6] < 0 or before[6] > now then
        since = before[4] -- closed already, it keeps its time
    end
end
call('SADD', P .. 'queues', ARGV[4])
local lane = ARGV[5] == '1' and ARGV[6] or false
call('HSET', P .. 'gates', ARGV[3], cmsgpack.pack({ARGV[4], lane, ARGV[7], since, ARGV[8], tonumber(ARGV[9])}))
return 1
