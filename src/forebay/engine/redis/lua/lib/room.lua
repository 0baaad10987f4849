-- room: queues that hold only so much; after `message tell place ends`. In {ns}:q:<queue>: `most` waiting messages, `on_full`,
-- `patience`, of those that shed `keep` and `tail` of their ends; `drain`: how fast it was seen to drain, where that is bound.
-- What running tasks make may use a reserve: flow.limit.reserve.
local SHARE, LEAST = 10, 100
local CHILD, EXEMPT = 1, 2

-- flow.limit.noted
local function noted(queue, drained, waiting, most)
    local packed = call('HGET', P .. 'q:' .. queue, 'drain')
    local drain = packed and cmsgpack.unpack(packed) or {now + 1, 0, now + 1, 0, 0}
    local passed, left, full = now - drain[3], drained - drain[4], drain[5]
    local after = drain
    if passed < 0 or left < 0 then
        after = {now, drained, now, drained, full}
    elseif passed >= 2 and (left >= 20 or passed >= 60) then
        after = {drain[3], drain[4], now, drained, full}
    end
    if waiting >= most then
        full = full > 0 and full or now
    elseif waiting < most * 0.9 then
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
    local waiting = call('ZCARD', P .. 'a:' .. queue) + call('ZCARD', P .. 'd:' .. queue) - tonumber(numbers[1] or 0)
    return waiting, tonumber(numbers[2] or 0) - waiting
end

-- How many messages of a form may come in, nil for all of them.
local function room_of(form, free)
    if free or not form.most or form.flags >= EXEMPT then
        return nil
    end
    local most = tonumber(form.most)
    form.waiting, form.drained = level_of(form.queue)
    form.drain = noted(form.queue, form.drained, form.waiting, most)
    if form.flags == CHILD then
        most = most + math.max(LEAST, math.ceil(most / SHARE))
    end
    if form.on_full == 'shed_oldest' then
        form.sheds = true
        return nil
    end
    return most - form.waiting
end

-- The oldest that wait end, as many as there are too many: newer ones have taken their places.
local function shed(queue)
    local known = call('HMGET', P .. 'q:' .. queue, 'most', 'on_full', 'keep', 'tail')
    local n = known[2] == 'shed_oldest' and level_of(queue) - tonumber(known[1]) or 0
    if n <= 0 then
        return
    end
    local seqs, ended = {}, {}
    for _, key in ipairs({'a:', 'd:'}) do -- by number; what runs is passed over
        local at, found, ids = 0, 0, nil
        repeat
            ids = call('ZRANGE', P .. key .. queue, at, at + n + 99, 'WITHSCORES')
            for place = 1, #ids, 2 do
                if found < n and call('HEXISTS', P .. 'run', ids[place]) == 0 then
                    seqs[#seqs + 1] = {tonumber(ids[place + 1]), ids[place]}
                    found = found + 1
                end
            end
            at = at + n + 100
        until found >= n or #ids == 0
    end
    table.sort(seqs, function(one, other) return one[1] < other[1] end)
    for place = 1, math.min(n, #seqs) do
        local id = seqs[place][2]
        local m, x = opened(call('HGET', P .. 'm', id)), history(call('HGET', P .. 'x', id))
        leave(id, m, x)
        end_live(id, m, x, DISCARDED, '', known[4], tonumber(known[3]))
        ended[place] = id
    end
    announce(ended)
end

-- The answer to one that its queue has no room for, the `nth` in a row, after `came` of its form that came in.
local function full(form, came, nth)
    local known = call('HMGET', P .. 'q:' .. form.queue, 'most', 'on_full', 'patience')
    return 'f' .. cmsgpack.pack({
        tonumber(known[1]), known[2] or 'reject', tonumber(known[3] or 0), form.waiting + came, form.drained, now, nth,
        form.drain[1], form.drain[2], form.drain[3], form.drain[4],
    })
end
