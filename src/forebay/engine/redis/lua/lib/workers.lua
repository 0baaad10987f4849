-- workers: {ns}:alive  zset  worker -> until when its lease holds; {ns}:w  hash  since when it is there, its number, its last beat
-- {ns}:buried  zset  workers that were declared lost, the newest of them; {ns}:holds  hash  how many messages each runs
-- {ns}:ask:<worker>  set  messages that it runs and that are to stop
local function lives(worker)
    local until_ = call('ZSCORE', P .. 'alive', worker)
    return until_ and tonumber(until_) > now
end

local function let_go(worker, ids)
    if count(P .. 'holds', worker, -#ids) <= 0 then
        call('HDEL', P .. 'holds', worker)
    end
    if call('EXISTS', P .. 'ask:' .. worker) == 1 then
        many('SREM', P .. 'ask:' .. worker, ids)
    end
end
