-- sorted: what waits since before keys were told apart, or no more; after `place`, for `lease` alone.
-- What waits in a queue since before that goes to the lanes where it waits from now on, before anything
-- of the queue starts, so that nothing that came later starts before it. Whether that is done; `most` are looked at now.
local function is_sorted(queue, most)
    local key = P .. 'q:' .. queue
    local packed = call('HGET', key, 'unsorted')
    if not packed then
        return true
    end
    local lanes, last = unpack(cmsgpack.unpack(packed)) -- those that are not looked through, and how far the last of them is
    while #lanes > 0 and most > 0 do
        local lane = lanes[#lanes]
        local line = P .. 'r:' .. queue .. ':' .. lane
        local start = (last ~= '' and call('ZRANK', line, last) or -1) + 1
        local some = call('ZRANGE', line, start, start + math.min(most, 1000) - 1)
        for _, waits in ipairs(some) do
            local id = string.sub(waits, 9)
            local head = call('HGET', P .. 'm', id)
            local m, x = is_whole(head) and opened(head), history(call('HGET', P .. 'x', id))
            local where = m and place_of(m.route, x[MOVED]) or lane
            if where == lane then
                last = waits
            else
                call('ZREM', line, waits)
                call('ZADD', P .. 'r:' .. queue .. ':' .. where, score(m), waits)
                stand(queue, where)
            end
        end
        most = most - #some
        if #some == 0 then
            lanes[#lanes], last = nil, ''
        end
    end
    if #lanes == 0 then
        call('HDEL', key, 'unsorted')
        return true
    end
    call('HSET', key, 'unsorted', cmsgpack.pack({lanes, last}), 'go', text(now + 0.001)) -- to be looked at soon
    return false
end
