--#use base message place ends ripen gates
-- depth: most to make ready, '1' if the queues are named, queue ... -> time, then for each queue: name, its hash, how
-- many are ready, how many of those are behind a closed gate, since when the oldest of both waits ('' for none), paused.
promote(tonumber(ARGV[3]))
local queues = {}
if ARGV[4] == '1' then
    for at = 5, #ARGV do
        queues[#queues + 1] = ARGV[at]
    end
else
    queues = call('SMEMBERS', P .. 'queues')
    table.sort(queues)
end
local gates = closed()
local FAR = 20000

-- The oldest that has not waited for a time: the first that does not run. What waits behind a gate is told apart.
local function since(queue, shut_lanes)
    local oldest, held = nil, nil
    local function see(id, time)
        local shut = false
        if shut_lanes then
            local m = opened(call('HGET', P .. 'm', id))
            shut = is_shut(gates, queue, lane_of(m, history(call('HGET', P .. 'x', id))))
        end
        if shut then
            held = held and math.min(held, time) or time
        else
            oldest = oldest and math.min(oldest, time) or time
        end
    end
    local at, ended = 0, false
    while not ended and at < FAR and not (oldest and (held or not shut_lanes)) do
        local ids = call('ZRANGE', P .. 'a:' .. queue, at, at + 99)
        local leases, heads = fetch(P .. 'run', ids), fetch(P .. 'm', ids)
        for n, id in ipairs(ids) do
            if not leases[n] and not (oldest and not shut_lanes) then
                see(id, select(3, struct.unpack(HEAD, heads[n])))
            end
        end
        at, ended = at + 100, #ids < 100
    end
    local back = call('ZRANGE', P .. 'bk:' .. queue, 0, shut_lanes and FAR or 0, 'WITHSCORES')
    for n = 1, #back, 2 do
        see(back[n], tonumber(back[n + 1]))
    end
    return oldest and text(oldest) or '', held and text(held) or ''
end

local answer = {text(now)}
for _, queue in ipairs(queues) do
    local ready, parked, some = 0, 0, false
    for _, lane in ipairs(call('ZRANGE', P .. 'ln:' .. queue, 0, -1)) do
        local n = call('ZCARD', P .. 'r:' .. queue .. ':' .. lane)
        ready = ready + n
        if gates and is_shut(gates, queue, lane) then
            parked, some = parked + n, true
        end
    end
    local oldest, held = '', ''
    if ready > 0 then
        oldest, held = since(queue, some)
    end
    local paused = 0
    for _, gate in ipairs(gates or {}) do
        if gate[1] == queue and gate[2] == false then
            paused = 1
        end
    end
    answer[#answer + 1] = {queue, call('HGETALL', P .. 'q:' .. queue), ready - parked, parked, oldest, held, paused}
end
return answer
