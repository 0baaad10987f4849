-- ends: what is left of a message that has ended.
-- {ns}:ends:<state>  zset  by the order of their end; kept as long as is usual, so that the first is forgotten first
-- {ns}:odd:<state>   zset  those that are kept longer or shorter; {ns}:keep  zset  the same by when they are forgotten
-- {ns}:u             hash  unique key -> ids of the live ones that hold it, with a space between
-- {ns}:watched       hash  ids somebody waits for ('*' for all) -> until when; {ns}:ended  channel on which they are told
local DONE, DEAD, CANCELLED, EXPIRED, DISCARDED = 0, 1, 2, 3, 4
local NAMES = {[0] = 'done', 'dead', 'cancelled', 'expired', 'discarded'}
-- Which total of its queue an end adds to.
local TOTALS = {[0] = 'done', 'died', 'cancelled', 'expired', 'discarded'}
-- Ends of one kind that are kept at the most; the oldest are forgotten before their time.
local MOST = 1000000

local function announce(ids)
    if #ids == 0 or call('EXISTS', P .. 'watched') == 0 then
        return
    end
    local all, told = call('HEXISTS', P .. 'watched', '*') == 1, {}
    for n, watched in ipairs(fetch(P .. 'watched', ids, true)) do
        if watched or all then
            told[#told + 1] = ids[n]
        end
    end
    for first = 1, #told, 100 do
        call('PUBLISH', P .. 'ended', table.concat(told, ' ', first, math.min(first + 99, #told)))
    end
    if not all and #told > 0 then
        many('HDEL', P .. 'watched', told)
    end
end

local function forget(ids)
    if #ids > 0 then
        for _, name in ipairs({'m', 'b', 'x', 'f', 'p', 'e'}) do
            many('HDEL', P .. name, ids)
        end
    end
end

-- Keep the number of ends below its bound, after `n` more.
local function bound(state, n)
    local over = call('ZCARD', P .. 'ends:' .. NAMES[state]) - MOST
    if over > 0 then
        local ids, popped = {}, call('ZPOPMIN', P .. 'ends:' .. NAMES[state], math.min(over, 2 * n + 10))
        for at = 1, #popped, 2 do
            ids[#ids + 1] = popped[at]
        end
        forget(ids)
    end
end

local function free_unique(id, m)
    local unique = m.route[UNIQUE]
    local holders = unique and call('HGET', P .. 'u', unique)
    if not holders then
        return
    end
    local left = {}
    for one in string.gmatch(holders, '%S+') do
        if one ~= id then
            left[#left + 1] = one
        end
    end
    if #left == 0 then
        call('HDEL', P .. 'u', unique)
    else
        call('HSET', P .. 'u', unique, table.concat(left, ' '))
    end
end

-- Write an end down. `run`: its last lease, '' if it was waiting. `keep`: seconds; `odd`: not as long as is usual.
local function finish(id, state, run, tail, keep, odd)
    local order = number('ends', 1)
    local until_ = state == DEAD and -1 or now + keep
    call('HSET', P .. 'e', id, struct.pack(END, state, now, until_, order, #run) .. run .. tail)
    call('ZADD', P .. (odd and 'odd:' or 'ends:') .. NAMES[state], order, id)
    if odd then
        call('ZADD', P .. 'keep', until_, id)
    elseif state ~= DEAD then
        bound(state, 1)
    end
end

-- A live message ends: it has left where it waited or ran.
local function end_live(id, m, x, state, run, tail, keep, odd)
    local queue = m.route[QUEUE]
    free_unique(id, m)
    call('ZREM', P .. (x[DUE] < 0 and 'a:' or 'd:') .. queue, id)
    if state ~= DEAD then
        call('HDEL', P .. 'b', id)
    else
        tally(queue, 'dead', 1)
    end
    tally(queue, TOTALS[state], 1)
    finish(id, state, run, tail, keep, odd)
end
