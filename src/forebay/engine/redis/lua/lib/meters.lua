-- meters: what a message has to pass, as `flow/grant.py` says, and what counts for it; after `lanes`.
-- {ns}:mt          hash  meter that somebody put -> rate, burst, slots (-1: none), generation; a queue's own: in its hash
-- {ns}:mr          hash  meter, or key of a queue that bounds keys -> how many run that passed it
-- {ns}:mp          hash  the same, and queues -> when what they let through is paid for (the tat of GCRA)
-- {ns}:mb          hash  meter -> the names of the budgets that stand beside it (`model/budget.py`)
-- {ns}:zs:<meter>  set   lanes (queue, NUL, lane) that wait for a free slot of it, of a key's too: it may have several
local ASLEEP, LATE, SET_BACK, SAME = 1e15, 0.1, 1, 1e-6

local function meter_of(name)
    local packed = said_of(name)
    if not packed then
        return nil
    end
    local m = cmsgpack.unpack(packed)
    return {
        name = name, rate = m[1] > 0 and m[1] or nil, burst = m[2] >= 0 and m[2] or nil, slots = m[3] >= 0 and m[3] or nil,
        running = (tonumber(call('HGET', P .. 'mr', name)) or 0), tat = (tonumber(call('HGET', P .. 'mp', name)) or 0),
    }
end

-- The names of what is counted of a message that runs, beside its queue: `flow.lane.passes`.
local function counted(route)
    local names, queue = {}, route[QUEUE]
    for _, name in ipairs(route[METERS] or {}) do
        names[#names + 1] = name
    end
    if route[TASK] ~= '' then
        names[#names + 1] = 'task:' .. queue .. ':' .. route[TASK]
    end
    if route[KEY] then
        names[#names + 1] = 'key:' .. queue .. ':' .. route[KEY]
    end
    return names
end

-- How many of a queue take a slot.
local function taken_of(queue)
    local numbers = call('HMGET', P .. 'q:' .. queue, 'running', 'kept')
    return (tonumber(numbers[1]) or 0) + (tonumber(numbers[2]) or 0)
end

-- All meters that a message has to pass, as they are now; `more` of its queue were taken in this script.
local function passed(route, more)
    local queue, key, split = route[QUEUE], route[KEY], split_of(route[QUEUE])
    local found = {}
    if split and (split.rate or split.slots) then
        found[1] = {
            name = 'queue:' .. queue, rate = split.rate, burst = split.burst, slots = split.slots,
            running = taken_of(queue) + more,
            tat = (tonumber(call('HGET', P .. 'mp', 'queue:' .. queue)) or 0),
        }
    end
    for _, name in ipairs(split and split.meters and counted(route) or {}) do
        local meter = meter_of(name)
        found[#found + 1] = meter
        local beside = meter and string.sub(name, 1, 9) == 'provider:' and beside_of(name)
        for _, budget in ipairs(beside or {}) do
            found[#found + 1] = meter_of(budget)
        end
    end
    if split and key and split.keyed then
        local name = 'each:' .. queue .. ':' .. key
        found[#found + 1] = {
            name = name, rate = split.key_rate, burst = split.key_burst, slots = split.ordered and 1 or split.key_slots,
            running = (tonumber(call('HGET', P .. 'mr', 'key:' .. queue .. ':' .. key)) or 0),
            tat = (tonumber(call('HGET', P .. 'mp', name)) or 0), own = true,
        }
    end
    return found
end

-- Whether one message may start: its meter's tat once it has; else nil, and when to look again, nil for a free slot.
local function grant(meter, cost)
    if meter.slots and meter.running >= meter.slots then
        return nil, nil
    end
    if not meter.rate then
        return meter.tat, nil
    end
    local at, price, seconds = terms(meter, cost)
    local step, ahead = price / meter.rate, meter.burst and (math.max(meter.burst, 1) - 1) / meter.rate or LATE
    local first = math.max(meter.tat, at)
    if at - (first - ahead) + SAME < 0 then
        return nil, seconds and at + math.ceil((first - ahead - at) / seconds) * seconds or first - ahead
    end
    return first + step, nil
end

-- A slot of a meter is free: up to 8 lanes that wait for one are looked at again. What went on meanwhile for other
-- reasons is in the set still, and counts for none.
local function wake(name)
    local woken = 0
    while woken < 8 do
        local lane = call('SPOP', P .. 'zs:' .. name)
        if not lane then
            return
        end
        local theirs, called = string.match(lane, '^(.-)%z(.*)$')
        if tonumber(call('ZSCORE', P .. 'ln:' .. theirs, called) or 0) >= ASLEEP then
            stand(theirs, called, true)
            stir(theirs)
            woken = woken + 1
        end
    end
end

-- A message was leased and has not started: its meters get back what it took, and its lane is looked at again.
local function give_back(route, moved)
    if not split_of(route[QUEUE]) then
        return
    end
    for _, meter in ipairs(passed(route, 0)) do
        if meter.rate then
            call('HSET', P .. 'mp', meter.name, text(given_back(meter, route[COST] or 1)))
        end
    end
    call('HDEL', P .. 'q:' .. route[QUEUE], 'go')
    stand(route[QUEUE], place_of(route, moved), true)
    stir(route[QUEUE])
end

-- `n` more of its kind run, or fewer: then who waits for a slot is looked at again.
local function count_run(route, moved, n)
    local queue, split = route[QUEUE], split_of(route[QUEUE])
    if not split then
        return
    end
    for _, name in ipairs(counted(route)) do
        local key = split.keyed and string.sub(name, 1, 4) == 'key:'
        if key or (split.meters and said_of(name)) then
            if count(P .. 'mr', name, n) <= 0 then
                call('HDEL', P .. 'mr', name)
            end
            if n < 0 then
                wake(name)
            end
        end
    end
    if n < 0 and (split.slots or split.keyed) then -- lanes do not sleep for a slot of their queue
        stir(queue)
    end
    if n < 0 and split.keyed then stand(queue, place_of(route, moved), true) end
end

-- Count anew what runs: something is counted from now on that was not.
local function recount()
    call('DEL', P .. 'mr')
    splits = {}
    local ids = call('HKEYS', P .. 'run')
    for n, head in ipairs(fetch(P .. 'm', ids)) do
        if head then
            count_run(opened(head, ids[n]).route, nil, 1)
        end
    end
    for _, slot in ipairs(call('HVALS', P .. 'slot')) do
        slot = cmsgpack.unpack(slot)
        count_run(slot[3], slot[4], 1)
    end
end

-- What bounds a queue has changed: all its lanes are looked at again.
local function wake_all(queue)
    local split = split_of(queue) -- in a fair queue most stand at their turns already, and they may be very many
    for _, lane in ipairs(call('ZRANGEBYSCORE', P .. 'ln:' .. queue, split and split.fair and 0 or '-inf', '+inf')) do
        stand(queue, lane)
    end
    call('HDEL', P .. 'q:' .. queue, 'go')
    stir(queue)
end
