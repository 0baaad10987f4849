-- room: queues that hold only so much; after `message tell`. In {ns}:q:<queue>: `most` waiting messages, `on_full`,
-- `patience`; `drain`: how fast it was seen to drain, where that is bound.
-- What running tasks make may use a reserve: flow.limit.reserve.
local SHARE, LEAST = 10, 100
local CHILD, EXEMPT = 1, 2

-- flow.limit.Drain.seen
local function seen(queue, drained)
    local packed = call('HGET', P .. 'q:' .. queue, 'drain')
    local drain = packed and cmsgpack.unpack(packed) or {now + 1, 0, now + 1, 0}
    local passed, left = now - drain[3], drained - drain[4]
    if passed < 0 or left < 0 then
        drain = {now, drained, now, drained}
    elseif passed < 2 or (left < 20 and passed < 60) then
        return drain
    else
        drain = {drain[3], drain[4], now, drained}
    end
    call('HSET', P .. 'q:' .. queue, 'drain', cmsgpack.pack(drain))
    return drain
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
    form.drain = seen(form.queue, form.drained)
    if form.flags == CHILD then
        most = most + math.max(LEAST, math.ceil(most / SHARE))
    end
    return most - form.waiting
end

-- The answer to one that its queue has no room for, the `nth` in a row, after `came` of its form that came in.
local function full(form, came, nth)
    local known = call('HMGET', P .. 'q:' .. form.queue, 'most', 'on_full', 'patience')
    return 'f' .. cmsgpack.pack({
        tonumber(known[1]), known[2] or 'reject', tonumber(known[3] or 0), form.waiting + came, form.drained, now, nth,
        form.drain[1], form.drain[2], form.drain[3], form.drain[4],
    })
end
