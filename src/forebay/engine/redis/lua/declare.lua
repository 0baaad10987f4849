--#use base message tell gates lanes meters
-- declare: queue, then packed: ttl, rate, burst, slots, key_rate, key_burst, key_slots (-1 for none), ordered; '' to leave
-- it as it is, of each.
local NAMES = {'ttl', 'rate', 'burst', 'slots', 'key_rate', 'key_burst', 'key_slots'}
local anew = false

-- Nothing is paid for further ahead than one step of the present rate.
local function lower(name, rate)
    local tat = tonumber(call('HGET', P .. 'mp', name) or 0)
    if tat > 0 then
        call('HSET', P .. 'mp', name, text(math.min(tat, now + (rate > 0 and 1 / rate or 0))))
    end
end

for at = 3, #ARGV, 2 do
    local queue = ARGV[at]
    call('SADD', P .. 'queues', queue)
    if ARGV[at + 1] ~= '' then
        local spec, key = cmsgpack.unpack(ARGV[at + 1]), P .. 'q:' .. queue
        local before, bound = call('HMGET', key, 'rate', 'burst', 'slots', 'bounds'), false
        for n, name in ipairs(NAMES) do
            if spec[n] < 0 then
                call('HDEL', key, name)
            else
                call('HSET', key, name, text(spec[n]))
                bound = bound or n > 1
            end
        end
        call('HSET', key, 'ordered', spec[8] and '1' or '0')
        if bound or spec[8] then
            call('HSET', key, 'bound', '1')
        else
            call('HDEL', key, 'bound')
        end
        if before[4] ~= ARGV[at + 1] then
            call('HSET', key, 'bounds', ARGV[at + 1])
            if tonumber(before[1] or -1) ~= spec[2] or tonumber(before[2] or -1) ~= spec[3]
                or tonumber(before[3] or -1) ~= spec[4] then
                call('HINCRBY', key, 'generation', 1)
            end
            anew = anew or bound or spec[8]
            lower('queue:' .. queue, spec[2])
            local each = 'each:' .. queue .. ':'
            for _, name in ipairs(call('HKEYS', P .. 'mp')) do
                if string.sub(name, 1, #each) == each then
                    lower(name, spec[5])
                end
            end
            wake_all(queue)
        end
    end
end
if anew then
    recount()
end
return 1
