-- clock: what a date that was wrong for a while leaves behind; after `meters`, for `lease` alone.
-- If the clock was set back, what meters remember and what waits for them was written too late: `flow.grant.set_back`.
-- {ns}:meta charged: when a rate last let something through
local minded = false
local function mind_the_clock()
    local back = minded and 0 or (tonumber(call('HGET', KEYS[1], 'charged')) or 0) - now
    minded = true
    if back <= SET_BACK then
        return
    end
    call('HSET', KEYS[1], 'charged', text(now))
    local paid = call('HGETALL', P .. 'mp')
    for at = 1, #paid, 2 do
        local tat = tonumber(paid[at + 1])
        if tat > now then
            call('HSET', P .. 'mp', paid[at], text(tat - back))
        end
    end
    for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
        wake_all(queue)
    end
end
