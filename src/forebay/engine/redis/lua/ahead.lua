--#use base count sound message tell gates lanes meters place ends dead ripen
-- ahead: id, most to count -> how many ready messages of its line are leased before it; 0 if it is not ready.
local head = call('HGET', P .. 'm', ARGV[3])
if not head then
    return 0
end
local m, x = opened(head), history(call('HGET', P .. 'x', ARGV[3]))
local line, waits = P .. 'r:' .. m.route[QUEUE] .. ':', member(m.seq, ARGV[3], m.newest)
local rank = call('ZRANK', line .. place_of(m.route, x[MOVED]), waits)
if not rank then -- since before it was told apart
    rank = call('ZRANK', line .. lane_of(m, x), waits)
end
return math.min(rank or 0, tonumber(ARGV[4]))
