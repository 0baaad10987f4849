--#use base count sound message tell gates lanes meters paid
-- declare: queue, then packed: ttl, rate, burst, slots, key_rate, key_burst, key_slots (-1 for none), ordered, limit (false
-- without one), limit_bytes, limit_age (-1 for none), on_full, patience, how long the ends of those that are shed are kept, what
-- such an end is, of one that is fair its weights (or false), whether the newest goes first, the share of the limit that is
-- kept, and how many may wait before only a priority above 0 comes in; '' to leave it as it is; '1' if a worker says so at its start, of each -> what held and what holds, packed ('' for nothing), of each.
local NAMES = {'ttl', 'rate', 'burst', 'slots', 'key_rate', 'key_burst', 'key_slots'}
local anew, told = false, {}

-- What waits is weighed from now on, or no more.
local function weigh_all(queue, most)
    local key, sum = P .. 'q:' .. queue, 0
    if most < 0 then
        call('HDEL', key, 'bytes')
        return
    end
    call('HSET', key, 'most_bytes', text(most))
    if call('HEXISTS', key, 'bytes') == 1 then
        return
    end
    for _, name in ipairs({'a:', 'd:'}) do
        local at, ids = 0, nil
        repeat
            ids = call('ZRANGE', P .. name .. queue, at, at + 999)
            local leases = fetch(P .. 'run', ids)
            for n, id in ipairs(ids) do
                sum = sum + (leases[n] and 0 or call('HSTRLEN', P .. 'b', id))
            end
            at = at + 1000
        until #ids == 0
    end
    call('HSET', key, 'bytes', sum)
end

even_if_full()
for at = 3, #ARGV, 3 do
    local queue = ARGV[at]
    call('SADD', P .. 'queues', queue)
    local key = P .. 'q:' .. queue
    local packed, firm = unpack(call('HMGET', key, 'bounds', 'firm'))
    table.insert(told, packed or '')
    if ARGV[at + 1] == '' or (firm and ARGV[at + 2] == '') then
        table.insert(told, packed or '')
    else
        table.insert(told, ARGV[at + 1])
        if ARGV[at + 2] ~= '' then
            call('HSET', key, 'firm', '1')
        end
        local spec = cmsgpack.unpack(ARGV[at + 1])
        local before = packed and cmsgpack.unpack(packed) or {-1, -1, -1, -1, -1, -1, -1, false}
        if packed ~= ARGV[at + 1] then -- what somebody has put meanwhile stays, unless the declaration itself has changed
            local own = before[2] ~= spec[2] or before[3] ~= spec[3] or before[4] ~= spec[4]
            local old = call('HMGET', key, 'rate', 'burst')
            for n, name in ipairs(NAMES) do
                if n < 2 or n > 4 or own then
                    call('HDEL', key, name)
                    if spec[n] >= 0 then
                        call('HSET', key, name, text(spec[n]))
                    end
                end
            end
            call('HDEL', key, 'most', 'on_full', 'patience', 'drain', 'keep', 'tail', 'most_age', 'most_bytes', 'lifo', 'low', 'reserve')
            if spec[17] then
                call('HSET', key, 'lifo', '1')
            end
            if spec[18] and spec[18] > 0 then
                call('HSET', key, 'reserve', text(spec[18]), 'low', text(spec[19]))
            end
            if spec[9] then
                call('HSET', key, 'most', text(spec[9]), 'most_age', text(spec[11]), 'on_full', spec[12], 'patience', text(spec[13]), 'keep', text(spec[14]), 'tail',
                    '\146' .. cmsgpack.pack(spec[15]) .. '\192') -- forms.tail
            end
            weigh_all(queue, spec[10] or -1)
            call('HSET', key, 'bounds', ARGV[at + 1], 'ordered', spec[8] and '1' or '0')
            if own then
                call('HINCRBY', key, 'generation', 1)
                keep('queue:' .. queue, tonumber(old[1] or -1), tonumber(old[2] or -1), spec[2], spec[3])
            end
            if own and spec[2] < 0 and spec[4] < 0 then
                call('HDEL', key, 'generation') -- it has no meter
            end
            local there = call('HMGET', key, 'rate', 'slots')
            local fair, was_fair = spec[16] and true, before[16] and true
            if fair then
                call('HSET', key, 'fair', '1', 'weights', cmsgpack.pack(spec[16]))
            else
                call('HDEL', key, 'fair', 'weights')
            end
            if fair ~= was_fair then
                for _, name in ipairs({'fq:', 'fb:', 'fl:', 'fi:', 'fr:', 'fs:'}) do
                    call('DEL', P .. name .. queue)
                end
                if fair then
                    call('HSET', P .. 'fq:' .. queue, 'clock', text(now))
                end
            end
            splits[queue] = nil
            local by_key = fair or spec[5] >= 0 or spec[7] >= 0 or spec[8]
            local bound = by_key or there[1] or there[2]
            if bound then
                call('HSET', key, 'bound', by_key and '1' or '2')
            else
                call('HDEL', key, 'bound')
            end
            anew = anew or bound
            local keyed, were_keyed = spec[5] >= 0 or spec[7] >= 0, before[5] >= 0 or before[7] >= 0
            local over = (before[8] or was_fair or were_keyed) and not (spec[8] or fair or keyed) -- keys are not told apart any more
            if over or (spec[8] and not before[8]) or (fair and not was_fair) or (keyed and not were_keyed) then
                call('HSET', key, 'unsorted', cmsgpack.pack({call('ZRANGE', P .. 'ln:' .. queue, 0, -1), ''}))
            end
            local each = 'each:' .. queue .. ':'
            for _, name in ipairs(call('HKEYS', P .. 'mp')) do
                if string.sub(name, 1, #each) == each then
                    keep(name, before[5], before[6], spec[5], spec[6])
                end
            end
            wake_all(queue)
        end
    end
end
if anew then
    recount()
end
return told
