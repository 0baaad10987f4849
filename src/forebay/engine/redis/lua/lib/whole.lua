-- whole: how one lease takes from a queue that bounds nothing but itself as a whole, as if it bounded nothing, only so much
-- as may start; after `take`, for `lease` alone.

-- Of `n` messages that cost 1, how many a rate lets start, its tat then, and when it lets one more through: `flow.grant.grant`.
local function through(split, tat, n)
    local step, ahead = 1 / split.rate, split.burst and (math.max(split.burst, 1) - 1) / split.rate or LATE
    local first = math.max(tat, now)
    local late = now - (first - ahead) + SAME
    n = late < 0 and 0 or math.min(n, math.floor(late / step) + 1)
    return n, first + n * step, first + n * step - ahead
end

-- Whether the first `n` in a line are readable, and cost 1 each: if not, each is to be looked at.
local function is_alike(key, n)
    local ids = call('ZRANGE', key, 0, n - 1)
    for at, waits in ipairs(ids) do
        ids[at] = string.sub(waits, 9)
    end
    local heads = fetch(P .. 'm', ids)
    for at = 1, #ids do
        if not (is_whole(heads[at]) and is_usual(heads[at])) then
            return false
        end
    end
    return true
end

-- As `take`.
local function take_whole(place, n)
    local queue, key, split = place[1], place[3], split_of(place[1])
    if split.slots then
        n = math.min(n, split.slots - taken_of(queue) - (lot.counts[queue] or 0))
    end
    if n <= 0 then
        return 0, true
    elseif not split.rate then
        return take(place, n)
    end
    local paid = tonumber(call('HGET', P .. 'mp', 'queue:' .. queue)) or 0
    local free, _, again = through(split, paid, n)
    if free == 0 then
        call('HSET', P .. 'q:' .. queue, 'go', text(again))
        return 0, true
    elseif lot.late or not is_alike(key, free) then
        place[4], place[5] = true, take_bound
        return take_bound(place, n)
    end
    local got, empty = take(place, free)
    if got > 0 then
        local _, tat = through(split, paid, got)
        call('HSET', P .. 'mp', 'queue:' .. queue, text(tat))
        lot.charged = true
    end
    return got, empty
end
