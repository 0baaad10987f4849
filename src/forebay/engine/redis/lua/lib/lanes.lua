-- lanes: where a message waits, as `flow/lane.py` says; after `gates`. Where its queue bounds and tells apart:
-- {ns}:q:<queue>  hash  rate, burst, slots, key_rate, key_burst, key_slots, ordered; bound: 1 if it tells keys apart, 2 if it
--   bounds no more than itself as a whole; go: not to be looked at before;
--   unsorted: lanes in which some may wait since before keys were told apart, or were no more, and how far the last was
--   looked through
-- and of a fair one (flow/fair.py) fair, weights. Its lanes that may be looked at stand in {ns}:ln:<queue> at turn - 1e10.
-- {ns}:fq:<queue>  hash  clock, usual, recent, needed: what its lanes have in common
-- {ns}:fb:<queue>  hash  lane of which something runs -> its account: turn, owed, mean (-1: none has ended), how many run
-- {ns}:fl:<queue>  hash  the same of lanes of which nothing runs, as long as it matters
local ACCOUNT, AHEAD = '>dddI4', 1e10
-- What a queue tells apart and bounds; nil if nothing, which is usual. Read once in a script.
local splits = {}
local function split_of(queue)
    if splits[queue] ~= nil then
        return splits[queue] or nil
    end
    local bounds = call('HMGET', P .. 'q:' .. queue, 'rate', 'burst', 'slots', 'key_rate', 'key_burst', 'key_slots', 'ordered', 'fair', 'unsorted')
    local split = {
        rate = tonumber(bounds[1]), burst = tonumber(bounds[2]), slots = tonumber(bounds[3]),
        key_rate = tonumber(bounds[4]), key_burst = tonumber(bounds[5]), key_slots = tonumber(bounds[6]),
        ordered = bounds[7] == '1', fair = bounds[8] == '1', tasks = {}, keys = {}, meters = call('EXISTS', P .. 'mt') == 1,
    }
    split.keyed = split.ordered or split.key_rate or split.key_slots -- each key has a meter of its own
    split.by_key = split.keyed or split.fair
    local apart = split.by_key or split.rate or split.slots or split.meters or bounds[9]
    for _, gate in ipairs(closed() or {}) do
        if (gate[1] == queue or gate[1] == '') and (gate[7] or gate[8]) then
            apart = true
            split.tasks[gate[7] or 0], split.keys[gate[8] or 0] = true, true
        end
    end
    for _, name in ipairs(split.meters and call('HKEYS', P .. 'mt') or {}) do
        local task, key = 'task:' .. queue .. ':', 'key:' .. queue .. ':'
        if string.sub(name, 1, #task) == task then
            split.tasks[string.sub(name, #task + 1)] = true
        elseif string.sub(name, 1, #key) == key then
            split.keys[string.sub(name, #key + 1)] = true
        end
    end
    split.unsorted = bounds[9]
    -- whether all it bounds is the queue as a whole: then whatever is first in a lane may start as well as the next one
    split.whole = (split.rate or split.slots) and not (split.by_key or bounds[9] or next(split.tasks) or next(split.keys))
    splits[queue] = apart and split or false
    return splits[queue] or nil
end

-- The name of the lane that a message waits in: `flow.lane.place`.
local function place_of(route, moved)
    local mine, key = moved or route[LANE], route[KEY]
    for _, name in ipairs(route[METERS] or {}) do
        mine = mine .. '|meter:' .. name
    end
    local split = split_of(route[QUEUE])
    if not split then
        return mine
    end
    if key and split.ordered then
        return '|key:' .. key
    end
    if split.tasks[route[TASK]] or (split.fair and not key) then
        mine = mine .. '|task:' .. route[TASK]
    end
    if key and (split.by_key or split.keys[key]) then
        mine = mine .. '|key:' .. key
    end
    return mine
end

-- The window of a budget, in seconds, and whether it counts messages; nil for any other meter.
local function window_of(name)
    local calls, seconds = string.match(name or '', '^provider:[^/]+/(c?a?l?l?s?/?)([1-9]%d*)$')
    if seconds and (calls == '' or calls == 'calls/') then
        return tonumber(seconds), calls ~= ''
    end
    return nil
end

-- Where it is said what the meter of a provider's key may, or a budget beside it: `model.provider.of_each`.
local function of_each(name)
    local provider, window = string.match(name, '^(provider:[^~]*~)[^/]+(.*)$')
    return provider and provider .. window
end

-- What was said of a meter: by its name, or of each key of its provider.
local function said_of(name)
    local each = of_each(name)
    return call('HGET', P .. 'mt', name) or (each and call('HGET', P .. 'mt', each)) or nil
end

-- The budgets that stand beside a meter that is there.
local function beside_of(name)
    local each = of_each(name)
    local packed, names = call('HGET', P .. 'mb', name), {}
    for _, one in ipairs(packed and cmsgpack.unpack(packed) or {}) do
        names[#names + 1], names[one] = one, true
    end
    packed = each and call('HGET', P .. 'mb', each)
    for _, one in ipairs(packed and cmsgpack.unpack(packed) or {}) do
        one = name .. string.sub(one, #each + 1)
        if not names[one] then
            names[#names + 1] = one
        end
    end
    return names
end

-- When a meter's clock went on last, and what a message costs there.
local function terms(meter, cost)
    local seconds, calls = window_of(meter.name)
    if not seconds then
        return now, cost, nil
    end
    return math.floor(now / seconds) * seconds, calls and 1 or cost, seconds
end

-- A meter's tat once a message that it had let through has not started after all: `flow.grant.given_back`.
local function given_back(meter, cost)
    local at, price = terms(meter, cost)
    return math.max(meter.tat - price / meter.rate, math.min(meter.tat, at))
end

-- A lane may be looked at: in a fair queue where its turn is, but not before the present one (`flow.fair.joined`).
-- `there`: only if it is one already.
local function stand(queue, lane, there)
    local score, split = 0, split_of(queue)
    if split and split.fair then
        split.clock = split.clock or (tonumber(call('HGET', P .. 'fq:' .. queue, 'clock')) or now)
        local had = call('HGET', P .. 'fb:' .. queue, lane) or call('HGET', P .. 'fl:' .. queue, lane)
        score = text(math.max(had and struct.unpack(ACCOUNT, had) or 0, split.clock) - AHEAD)
    end
    if there then
        call('ZADD', P .. 'ln:' .. queue, 'XX', score, lane)
    else
        call('ZADD', P .. 'ln:' .. queue, score, lane)
    end
end
