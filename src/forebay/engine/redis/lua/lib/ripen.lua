-- ripen: what time alone does to messages.
local function promote(limit)
    local ids = call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, limit)
    local heads, pasts = fetch(P .. 'm', ids), fetch(P .. 'x', ids)
    for n, id in ipairs(ids) do
        local due = tonumber(call('ZSCORE', P .. 'due', id))
        call('ZREM', P .. 'due', id)
        if heads[n] then
            local m, x = opened(heads[n]), history(pasts[n])
            x[DUE] = due
            tally(m.route[QUEUE], 'scheduled', -1)
            enter_ready(id, m, x)
        end
    end
    return #ids
end

-- End waiting messages whose time has passed; how many.
local function expire(limit, tail, keep)
    local ids = call('ZRANGEBYSCORE', P .. 'exp', '-inf', now, 'LIMIT', 0, limit)
    local heads, pasts = fetch(P .. 'm', ids), fetch(P .. 'x', ids)
    for n, id in ipairs(ids) do
        call('ZREM', P .. 'exp', id)
        if heads[n] then
            local m, x = opened(heads[n]), history(pasts[n])
            leave(id, m, x)
            end_live(id, m, x, EXPIRED, '', tail, keep)
        end
    end
    announce(ids)
    return #ids
end
