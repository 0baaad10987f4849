--#use base
-- open: a name for what begins if nothing is there, the newest schema known here, the last number of a message that was
-- seen -> the name of what is there, its schema, its last number.
-- Where the server lost what it held, numbers begin above those that were seen: nothing old is taken for something new.
even_if_full()
if call('HSETNX', KEYS[1], 'born', ARGV[3]) == 1 then
    call('HSET', KEYS[1], 'schema', ARGV[4])
end
local lost = tonumber(ARGV[5]) > (tonumber(call('HGET', KEYS[1], 'seq')) or 0)
if lost then
    call('HSET', KEYS[1], 'seq', ARGV[5])
end
if lost or call('HEXISTS', KEYS[1], 'fence') == 0 then
    local fence = math.floor(now * 1000000)
    if fence > (tonumber(call('HGET', KEYS[1], 'fence')) or 0) then
        call('HSET', KEYS[1], 'fence', string.format('%.0f', fence))
    end
end
return call('HMGET', KEYS[1], 'born', 'schema', 'seq')
