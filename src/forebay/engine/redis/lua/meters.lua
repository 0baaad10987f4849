--#use base count sound message tell gates lanes meters
-- meters: '1' if they are named, name ... -> name, rate, burst, slots (-1 for none), generation, running, tat of each that
-- is there, packed.
local answer = {}

local function add(name, rate, burst, slots, generation, running)
    local tat = (tonumber(call('HGET', P .. 'mp', name)) or 0)
    answer[#answer + 1] = cmsgpack.pack({name, rate, burst, slots, generation, tonumber(running or 0), tat})
end

local function add_queue(queue)
    local f = call('HMGET', P .. 'q:' .. queue, 'rate', 'burst', 'slots', 'generation')
    if f[4] then
        add('queue:' .. queue, tonumber(f[1] or -1), tonumber(f[2] or -1), tonumber(f[3] or -1), tonumber(f[4]), taken_of(queue))
    end
end

local function add_one(name)
    local queue, packed = string.match(name, '^queue:(.+)$'), said_of(name)
    if queue then
        add_queue(queue)
    elseif packed then
        local m = cmsgpack.unpack(packed)
        add(name, m[1], m[2], m[3], call('HEXISTS', P .. 'mt', name) * m[4], call('HGET', P .. 'mr', name))
    else
        local theirs, key = string.match(name, '^key:([^:]+):(.*)$')
        local split = theirs and split_of(theirs)
        if split and split.keyed then
            local slots = split.ordered and 1 or split.key_slots
            local running = slots and call('HGET', P .. 'mr', name)
            add(name, split.key_rate or -1, split.key_burst or -1, slots or -1, 0, running)
        end
    end
end

if ARGV[3] == '1' then
    for at = 4, #ARGV do
        add_one(ARGV[at])
    end
else
    for _, name in ipairs(call('HKEYS', P .. 'mt')) do
        add_one(name)
    end
    for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
        add_queue(queue)
    end
end
return answer
