--#use base count sound message tell gates lanes meters place ends dead ripen
-- depth: most to make ready, '1' if the queues are named, queue ... -> time, then for each queue: name, its hash, how
-- many are ready, how many of those are behind a closed gate, since when the oldest of both waits ('' for none), whether it
-- is paused; and of its lanes, the main one only if the queue has a meter: name, ready, parked, running, whether its first is behind a gate, what that
-- costs ('' if there is none), the meters that it has to pass, whether it waits because it is slow (lib/fair.lua).
promote(tonumber(ARGV[3]))
local queues = {}
if ARGV[4] == '1' then
    for at = 5, #ARGV do
        queues[#queues + 1] = ARGV[at]
    end
else
    queues = call('SMEMBERS', P .. 'queues')
    table.sort(queues)
end
local gates = closed()
local FAR = 20000
local LANES = 100

local function is_held(queue, id, head)
    local m, split = opened(head, id), split_of(queue)
    if is_shut(gates, queue, lane_of(m, history(call('HGET', P .. 'x', id))), m.route[TASK], m.route[KEY]) then
        return true
    end
    local first = split and split.ordered and m.route[KEY] and foremost(queue, '|key:' .. m.route[KEY]) -- lets nobody pass
    if not first or string.sub(first, 9) == id then
        return false
    end
    id = string.sub(first, 9)
    head = call('HGET', P .. 'm', id)
    m = is_whole(head) and opened(head)
    return m and is_shut(gates, queue, lane_of(m, history(call('HGET', P .. 'x', id))), m.route[TASK], m.route[KEY])
end

-- The oldest that has not waited for a time: the first that does not run. What waits behind a gate is told apart.
local function since(queue, ready, parked)
    local oldest, held = nil, nil
    local function see(id, time, head)
        if parked > 0 and (ready == 0 or is_held(queue, id, head or call('HGET', P .. 'm', id))) then
            held = math.min(held or time, time)
        else
            oldest = math.min(oldest or time, time)
        end
    end
    local at, ended = 0, false
    while not ended and at < FAR and not ((oldest or ready == 0) and (held or parked == 0)) do
        local ids = call('ZRANGE', P .. 'a:' .. queue, at, at + 99)
        local leases, heads = fetch(P .. 'run', ids), fetch(P .. 'm', ids)
        for n, id in ipairs(ids) do
            if not leases[n] and is_whole(heads[n]) then
                see(id, select(3, struct.unpack(HEAD, heads[n])), heads[n])
            end
        end
        at, ended = at + 100, #ids < 100
    end
    local back = call('ZRANGE', P .. 'bk:' .. queue, 0, ready > 0 and parked > 0 and FAR or 0, 'WITHSCORES')
    for n = 1, #back, 2 do
        see(back[n], tonumber(back[n + 1]))
    end
    return oldest and text(oldest) or '', held and text(held) or ''
end

-- How many of a lane are behind a closed gate.
local function parked_in(queue, lane, n)
    local own, task, key = string.match(lane, '^[^|]*'), string.match(lane, '|task:([^|]*)'), string.match(lane, '|key:(.*)$')
    local split = split_of(queue)
    local apart = own == '' and key and split and (split.ordered or split.unsorted) -- each has its own
    if gates and n > 0 and is_shut(gates, queue, not apart and own or nil, task, key) then
        return n
    elseif not gates or n == 0 or not split then
        return 0
    end
    local count, ids = 0, {}
    for _, one in ipairs(call('ZRANGE', P .. 'r:' .. queue .. ':' .. lane, 0, FAR)) do
        ids[#ids + 1] = string.sub(one, 9)
    end
    for at, packed in ipairs(fetch(P .. 'm', ids)) do
        count = count + (is_held(queue, ids[at], packed) and 1 or 0)
    end
    return count
end

-- How many run of each lane of a queue.
local function running_in(queue)
    local ids, counts = call('HKEYS', P .. 'run'), {}
    local heads, pasts = fetch(P .. 'm', ids), fetch(P .. 'x', ids)
    for n in ipairs(ids) do
        local m = opened(heads[n], ids[n])
        if m.route[QUEUE] == queue then
            local lane = place_of(m.route, history(pasts[n])[MOVED])
            counts[lane] = (counts[lane] or 0) + 1
        end
    end
    return counts
end

local function packed_meter(meter)
    return cmsgpack.pack({
        meter.name, meter.rate or -1, meter.burst or -1, meter.slots or -1, 0, meter.running, meter.tat,
    })
end

local function first_of(queue, lane)
    local first = foremost(queue, lane)
    local id = first and string.sub(first, 9)
    local head = first and call('HGET', P .. 'm', id)
    if not is_whole(head) then
        return 0, '', {}
    end
    local m, meters = opened(head), {}
    for _, meter in ipairs(passed(m.route, 0)) do
        if meter.name ~= 'queue:' .. queue then
            meters[#meters + 1] = packed_meter(meter)
        end
    end
    return is_held(queue, id, head) and 1 or 0, text(m.route[COST] or 1), meters
end

local answer = {text(now)}
for _, queue in ipairs(queues) do
    local ready, parked, lanes, special = 0, 0, {}, split_of(queue) ~= nil
    local known, main = {}, {'', 0, 0, 0}
    for _, lane in ipairs(call('ZRANGE', P .. 'ln:' .. queue, 0, -1)) do
        local n = call('ZCARD', P .. 'r:' .. queue .. ':' .. lane)
        local held = parked_in(queue, lane, n)
        ready, parked, special, known[lane] = ready + n - held, parked + held, special or lane ~= '', true
        if lane ~= '' and n > 0 then
            lanes[#lanes + 1] = {lane, n - held, held, 0}
        elseif lane == '' then
            main = {lane, n - held, held, 0}
        end
    end
    local running = special and running_in(queue) or {}
    for _, lane in ipairs(lanes) do
        lane[4], running[lane[1]] = running[lane[1]] or 0, nil
    end
    for lane, n in pairs(running) do
        if lane ~= '' then
            lanes[#lanes + 1] = {lane, 0, 0, n}
        end
    end
    table.sort(lanes, function(one, other)
        local mine, theirs = one[2] + one[3], other[2] + other[3]
        return mine > theirs or (mine == theirs and one[1] < other[1])
    end)
    for n, lane in ipairs(lanes) do
        if n <= LANES then
            lane[5], lane[6], lane[7] = first_of(queue, lane[1])
            local slow = call('ZSCORE', P .. 'fs:' .. queue, lane[1]) -- and not awake meanwhile for another reason
            lane[8] = slow and tonumber(call('ZSCORE', P .. 'ln:' .. queue, lane[1]) or 0) >= ASLEEP and 1 or 0
            lane[9] = waits_until(queue, lane[1])
        else
            lanes[n] = nil
        end
    end
    local whole = special and ready + parked > 0 and passed({queue, '', 0, ''}, 0)[1]
    if whole then
        main[4], main[5], main[6], main[7], main[8], main[9] = whole.running, 0, '1', {packed_meter(whole)}, 0, ''
        table.insert(lanes, 1, main)
        lanes[LANES + 1] = nil
    end
    local oldest, held = '', ''
    if ready + parked > 0 then
        oldest, held = since(queue, ready, parked)
    end
    answer[#answer + 1] = {
        queue, call('HGETALL', P .. 'q:' .. queue), ready, parked, oldest, held, is_paused(queue) and 1 or 0, lanes,
    }
end
return answer
