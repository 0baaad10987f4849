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
        call('HINCRBY', P .. 'q:' .. queue, name, n)
    end
end
