--#use base
-- open: a name for what begins if nothing is there, the newest schema known here, the last number of a message that was
-- seen, 1 if a loss was seen -> the name of what is there, its schema, its last number, its newest loss.
-- Where the server lost what it held, numbers begin above those that were seen: nothing old is taken for something new.
-- That it did is written down for whoever asks later; several who find the same within a minute write one line.
-- {ns}:meta  fell: when the newest loss was found, the last number before it, and then
even_if_full()
if call('HSETNX', KEYS[1], 'born', ARGV[3]) == 1 then
    call('HSET', KEYS[1], 'schema', ARGV[4])
end
local seq = tonumber(call('HGET', KEYS[1], 'seq')) or 0
local lost = tonumber(ARGV[5]) > seq
if lost or ARGV[6] == '1' then
    local before = call('HGET', KEYS[1], 'fell')
    if not before or now - (tonumber(string.match(before, '^%S+')) or 0) > 60 then
        call('HSET', KEYS[1], 'fell', string.format('%.3f %.0f %.0f', now, tonumber(ARGV[5]), seq))
    end
end
if lost then
    call('HSET', KEYS[1], 'seq', ARGV[5])
end
if lost or call('HEXISTS', KEYS[1], 'fence') == 0 then
    local fence = math.floor(now * 1000000)
    if fence > (tonumber(call('HGET', KEYS[1], 'fence')) or 0) then
        call('HSET', KEYS[1], 'fence', string.format('%.0f', fence))
    end
end
return call('HMGET', KEYS[1], 'born', 'schema', 'seq', 'fell')
