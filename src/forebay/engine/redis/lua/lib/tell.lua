-- tell: numbers of queues, and who waits for them.
-- {ns}:q:<queue>  hash  ttl, bounds, totals, and how many are scheduled, running, dead; ready ones are counted by their lanes
-- {ns}:hungry     hash  queues that somebody waits for; {ns}:news  channel on which they are told
local function stir(queue)
    if call('HDEL', P .. 'hungry', queue) == 1 then
        call('PUBLISH', P .. 'news', queue)
    end
end

local function tally(queue, name, n)
    if n ~= 0 then
        count(P .. 'q:' .. queue, name, n)
    end
end

-- In a queue that bounds its bytes, and in no other, `bytes` is how many wait: a message begins to wait (1), or does no more (-1).
local weighed = {}
local function weighs(queue)
    if weighed[queue] == nil then
        weighed[queue] = call('HEXISTS', P .. 'q:' .. queue, 'bytes') == 1
    end
    return weighed[queue]
end

local function weigh(queue, id, sign)
    if weighs(queue) then
        tally(queue, 'bytes', sign * call('HSTRLEN', P .. 'b', id))
    end
end
