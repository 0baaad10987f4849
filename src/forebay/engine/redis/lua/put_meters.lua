--#use base count sound message tell gates lanes meters paid
-- put_meters: name, rate, burst, slots (-1 for none), generation of each -> 1 put, 0 it has another generation by now.
local answers = {}

-- This meter, and those of all keys that it is said of.
local function all_of(name)
    local names = {name}
    for _, one in ipairs(string.find(name, '~', 1, true) and call('HKEYS', P .. 'mp') or {}) do
        if of_each(one) == name then
            names[#names + 1] = one
        end
    end
    return names
end

even_if_full()
for at = 3, #ARGV, 5 do
    local name, rate, burst, slots = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
    local queue = string.match(name, '^queue:(.+)$')
    local key, packed = P .. 'q:' .. (queue or ''), call('HGET', P .. 'mt', name)
    local generation = packed and cmsgpack.unpack(packed)[4] or 0
    local old = packed and cmsgpack.unpack(packed)
    if queue then
        local f = call('HMGET', key, 'rate', 'burst')
        old = {tonumber(f[1] or -1), tonumber(f[2] or -1)}
        generation = (tonumber(call('HGET', key, 'generation')) or 0)
    end
    if generation ~= tonumber(ARGV[at + 4]) then
        answers[#answers + 1] = 0
    else
        if queue then
            for field, value in pairs({rate = rate, burst = burst, slots = slots}) do
                if value < 0 then
                    call('HDEL', key, field)
                else
                    call('HSET', key, field, text(value))
                end
            end
            call('HSET', key, 'generation', generation + 1, 'bound', call('HGET', key, 'bound') or '2')
            call('SADD', P .. 'queues', queue)
        else
            call('HSET', P .. 'mt', name, cmsgpack.pack({rate, burst, slots, generation + 1}))
        end
        local seconds = window_of(name)
        if seconds and not old then
            local beside = string.match(name, '^[^/]+')
            local known = call('HGET', P .. 'mb', beside)
            known = known and cmsgpack.unpack(known) or {}
            known[#known + 1] = name
            call('HSET', P .. 'mb', beside, cmsgpack.pack(known))
        end
        for _, one in ipairs(all_of(name)) do
            local tat = (tonumber(call('HGET', P .. 'mp', one)) or 0)
            if seconds and old and old[2] > 0 and burst > 0 then -- so much is spent as was before: flow.grant.changed
                local at = math.floor(now / seconds) * seconds
                call('HSET', P .. 'mp', one, text(at + math.max(0, tat - at) * old[2] / burst))
            elseif not seconds and old then
                keep(one, old[1], old[2], rate, burst)
            end
        end
        answers[#answers + 1] = 1
    end
end
for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
    wake_all(queue)
end
recount()
return answers
