-- room: queues that hold only so much; after `message tell gates place ends`. In {ns}:q:<queue>: `most` waiting messages, `most_age`
-- of the oldest ready one (-1: any), `on_full`, `most_bytes` of bodies, of which `bytes` wait; `patience`, of those that shed `keep` and `tail` of their ends; `drain`: how fast it was seen to drain, where that is bound.
-- low: how many may wait before only those of a priority above 0 come in (flow.limit.kept). What running tasks make may use a reserve: flow.limit.reserve.
local SHARE, LEAST = 10, 100
local CHILD, EXEMPT = 1, 2

-- flow.limit.noted
local function noted(queue, drained, filled, eased)
    local packed = call('HGET', P .. 'q:' .. queue, 'drain')
    local drain = packed and cmsgpack.unpack(packed) or {now + 1, 0, now + 1, 0, 0}
    local passed, left, full = now - drain[3], drained - drain[4], drain[5]
    local after = drain
    if passed < 0 or (left < 0 and passed >= 60) then
        after = {now, drained, now, drained, full}
    elseif passed >= 2 and (left >= 20 or passed >= 60) then
        after = {drain[3], drain[4], now, drained, full}
    end
    if filled then
        full = full > 0 and full or now
    elseif eased then
        full = 0
    end
    if after ~= drain or full ~= drain[5] then
        after[5] = full
        call('HSET', P .. 'q:' .. queue, 'drain', cmsgpack.pack(after))
    end
    return after
end

-- What waits in a queue, and how many have left it since ever.
local function level_of(queue)
    local numbers = call('HMGET', P .. 'q:' .. queue, 'running', 'published')
    local waiting = call('ZCARD', P .. 'a:' .. queue) + call('ZCARD', P .. 'd:' .. queue) - (tonumber(numbers[1]) or 0)
    return waiting, (tonumber(numbers[2]) or 0) - waiting
end

-- How long the oldest ready message of a queue has waited: of those that came back, of those that are due and have not been
-- looked at since (the first hundred of all queues), and of those that never had to wait.
local function age_of(queue)
    local first = tonumber(call('ZRANGE', P .. 'bk:' .. queue, 0, 0, 'WITHSCORES')[2] or now)
    local due = call('ZRANGEBYSCORE', P .. 'due', '-inf', text(now), 'LIMIT', 0, 100)
    for n, head in ipairs(fetch(P .. 'm', due)) do
        if is_whole(head) and opened(head).route[QUEUE] == queue then
            first = math.min(first, tonumber(call('ZSCORE', P .. 'due', due[n])))
        end
    end
    local at = 0
    repeat
        local ids = call('ZRANGE', P .. 'a:' .. queue, at, at + 99)
        local heads, leases = fetch(P .. 'm', ids), fetch(P .. 'run', ids)
        for n in ipairs(ids) do
            if not leases[n] and is_whole(heads[n]) then
                local _, _, created = struct.unpack(HEAD, heads[n])
                return now - math.min(first, created)
            end
        end
        at = at + 100
    until #ids == 0
    return now - first
end

local function bytes_of(queue)
    return math.max(0, (tonumber(call('HGET', P .. 'q:' .. queue, 'bytes')) or 0))
end

-- How many messages of a form may come in, nil for all of them, as far as their number goes; the first has `size` bytes.
local function room_of(form, free, size)
    if free or not form.on_full or form.flags >= EXEMPT then
        return nil
    end
    local most = form.most < 0 and math.huge or form.most
    local most_age = form.most_age < 0 and math.huge or form.most_age
    local most_bytes = form.most_bytes < 0 and math.huge or form.most_bytes
    form.bounded = true
    form.waiting, form.drained = level_of(form.queue)
    form.age = form.most_age < 0 and 0 or age_of(form.queue)
    form.size = form.most_bytes < 0 and 0 or bytes_of(form.queue)
    form.drain = noted(
        form.queue, form.drained, form.waiting >= most or form.size + (size <= most_bytes and size or 0) > most_bytes or form.age > most_age,
        form.waiting < most * 0.9 and form.size < most_bytes * 0.9 and form.age <= most_age * 0.9
    )
    if form.on_full == 'shed_oldest' then
        form.sheds = true
        return nil
    elseif form.flags == CHILD then
        return most + math.max(LEAST, math.ceil(form.most / SHARE)) - form.waiting
    end
    if form.low >= 0 and form.route[PRIORITY] <= 0 then
        most = form.low
    end
    return form.age > most_age and 0 or most - form.waiting
end

-- Bytes that were refused in this call, by queue: nothing is to overtake them.
local behind = {}

-- flow.limit, of the bytes
local function is_over(form, size)
    local most, level = form.most_bytes, form.size + (behind[form.queue] or 0)
    if most < 0 or form.sheds or level + size <= most then
        return false
    end
    return form.flags ~= CHILD or (level > most and level + size > most + math.ceil(most / SHARE))
end

-- Of the `look` oldest that wait those end, but one, that are the first `n`, or whose bodies are the first `size` bytes; how many, how large.
local function shed_some(queue, look, n, size, known, but)
    local seqs, ended, freed = {}, {}, 0
    for _, key in ipairs({'a:', 'd:'}) do -- by number; what runs is passed over
        local at, found, ids = 0, 0, nil
        repeat
            ids = call('ZRANGE', P .. key .. queue, at, at + look + 99, 'WITHSCORES')
            for place = 1, #ids, 2 do
                if found < look and ids[place] ~= but and call('HEXISTS', P .. 'run', ids[place]) == 0 then
                    seqs[#seqs + 1] = {tonumber(ids[place + 1]), ids[place]}
                    found = found + 1
                end
            end
            at = at + look + 100
        until found >= look or #ids == 0
    end
    table.sort(seqs, function(one, other) return one[1] < other[1] end)
    for place = 1, math.min(look, #seqs) do
        if place > n and freed >= size then
            break
        end
        local id = seqs[place][2]
        local m, x = opened(call('HGET', P .. 'm', id), id), history(call('HGET', P .. 'x', id))
        freed = freed + call('HSTRLEN', P .. 'b', id)
        leave(id, m, x)
        end_live(id, m, x, DISCARDED, '', known[4], tonumber(known[3]))
        ended[place] = id
    end
    announce(ended)
    return #ended, freed
end

-- The oldest that wait end, as many as there are too many, but one: newer ones have taken their places.
local function shed(queue, but)
    local known = call('HMGET', P .. 'q:' .. queue, 'most', 'on_full', 'keep', 'tail', 'most_bytes')
    local most, most_bytes, n, size = tonumber(known[1]), (tonumber(known[5]) or -1), 0, 0
    if known[2] == 'shed_oldest' then
        n = most >= 0 and math.max(0, level_of(queue) - most) or 0
        size = most_bytes >= 0 and math.max(0, bytes_of(queue) - most_bytes) or 0
    end
    while n > 0 or size > 0 do -- a few are looked at for their bytes; if those were not enough, more
        local gone, freed = shed_some(queue, math.max(n, size > 0 and 50 or 0), n, size, known, but)
        if gone == 0 then
            return
        end
        n, size = n - gone, size - freed
    end
end

-- The answer to one of `size` bytes that its queue has no room for, or `never` has; in the place of one that waits and has `instead`.
local function full(form, never, size, instead)
    local before, n, most, most_bytes = behind[form.queue] or 0, form.waiting + form.came, form.most, form.most_bytes
    size = never and 0 or size
    form.over, behind[form.queue] = form.over + (never and 0 or 1), before + size
    local filled = most >= 0 and n - (instead and 1 or 0) >= most or most_bytes >= 0 and form.size + before + size - (instead or 0) > most_bytes
    if filled and form.drain[5] == 0 and not never then -- flow.limit.refused
        form.drain[5] = now
        call('HSET', P .. 'q:' .. form.queue, 'drain', cmsgpack.pack(form.drain))
    end
    local patience = (tonumber(call('HGET', P .. 'q:' .. form.queue, 'patience')) or 0)
    return 'f' .. cmsgpack.pack({
        most, form.most_age, form.age, form.on_full, patience, n, form.drained, now, form.over,
        form.drain[1], form.drain[2], form.drain[3], form.drain[4], form.drain[5], form.reserve, most_bytes, form.size, before, instead or -1, opens_at(form.queue),
    })
end
