-- ripen: what time alone does to messages.
local function promote(limit)
    local ids = call('ZRANGEBYSCORE', P .. 'due', '-inf', now, 'LIMIT', 0, limit)
    local heads, pasts = fetch(P .. 'm', ids), fetch(P .. 'x', ids)
    for n, id in ipairs(ids) do
        local due = tonumber(call('ZSCORE', P .. 'due', id))
        call('ZREM', P .. 'due', id)
        if is_readable(heads[n], pasts[n]) then
            local m, x = opened(heads[n]), history(pasts[n])
            x[DUE] = due
            tally(m.route[QUEUE], 'scheduled', -1)
            enter_ready(id, m, x, true)
        else
            tally(opened(heads[n], id).route[QUEUE], 'scheduled', -1)
            set_aside(id, heads[n], pasts[n])
        end
    end
    return #ids
end

-- End waiting messages whose time has passed; how many.
local function expire(limit, tail, keep)
    local ids = call('ZRANGEBYSCORE', P .. 'exp', '-inf', now, 'LIMIT', 0, limit)
    local heads, pasts = fetch(P .. 'm', ids), fetch(P .. 'x', ids)
    local late = {}
    for n, id in ipairs(ids) do
        call('ZREM', P .. 'exp', id)
        if is_readable(heads[n], pasts[n]) then
            late[#late + 1] = {id, opened(heads[n]), history(pasts[n])}
        end
    end
    table.sort(late, function(one, other) -- of those that end at one moment, in the order in which they came
        local mine, theirs = one[2], other[2]
        return mine.expires < theirs.expires or (mine.expires == theirs.expires and mine.seq < theirs.seq)
    end)
    for _, one in ipairs(late) do
        leave(one[1], one[2], one[3])
        end_live(one[1], one[2], one[3], EXPIRED, '', tail, keep)
    end
    announce(ids)
    return #ids
end
