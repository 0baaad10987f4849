--#use base count sound message tell gates lanes meters shares slots workers
-- recover: most that are remembered as buried, worker ... that are lost -> those buried now, then what they held:
-- worker, id, its lease, its queue, workers lost under it before, whether it is to stop.
local gone = {}
for _, worker in ipairs(call('ZRANGEBYSCORE', P .. 'alive', '-inf', now)) do
    gone[worker] = true
end
for at = 4, #ARGV do
    if call('ZSCORE', P .. 'alive', ARGV[at]) then
        gone[ARGV[at]] = true
    end
end
local strays, any = {}, false
for _, worker in ipairs(call('HKEYS', P .. 'holds')) do
    if gone[worker] or not call('ZSCORE', P .. 'alive', worker) then
        gone[worker], strays[worker], any = true, true, true
    end
end
local names = {}
for worker in pairs(gone) do
    names[#names + 1] = worker
end
table.sort(names)
if #names == 0 then
    return {names}
end
even_if_full()
for _, worker in ipairs(names) do
    call('ZREM', P .. 'alive', worker)
    call('HDEL', P .. 'w', worker)
    call('HDEL', P .. 'tok', worker)
    call('ZADD', P .. 'buried', call('HINCRBY', KEYS[1], 'burials', 1), worker)
end
call('ZREMRANGEBYRANK', P .. 'buried', 0, -1 - tonumber(ARGV[3]))
local slots = any and call('HGETALL', P .. 'slot') or {}
for at = 1, #slots, 2 do
    local slot = cmsgpack.unpack(slots[at + 1])
    if strays[slot[2]] then
        free_slot(slots[at], slot, 0)
    end
end
keep_turns()
local answer = {names}
local running = any and call('HGETALL', P .. 'run') or {}
for at = 1, #running, 2 do
    local id, lease = running[at], running[at + 1]
    local worker = string.sub(lease, 22)
    if strays[worker] then
        local m, x = opened(call('HGET', P .. 'm', id), id), history(call('HGET', P .. 'x', id))
        answer[#answer + 1] = {
            worker, id, lease, m.route[QUEUE], x[LOST], call('SISMEMBER', P .. 'ask:' .. worker, id),
        }
    end
end
return answer
