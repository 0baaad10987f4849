--#use base message tell gates lanes meters place ripen
-- ahead: id, most to count -> how many ready messages of its lane are leased before it; 0 if it is not ready.
local head = call('HGET', P .. 'm', ARGV[3])
if not head then
    return 0
end
local m, x = opened(head), history(call('HGET', P .. 'x', ARGV[3]))
local rank = call('ZRANK', P .. 'r:' .. m.route[QUEUE] .. ':' .. lane_of(m, x), member(m.seq, ARGV[3]))
return math.min(rank or 0, tonumber(ARGV[4]))
