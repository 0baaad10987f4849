-- strays: what stands in a line and is no message, as somebody else has taken its head away, or written over it; for
-- `lease` alone. After `dead`.
-- Of what was taken (`lot`, see `take`) only messages are kept: their heads and histories, and how many were none.
local function heads_of(lot)
    local ids, kept, theirs, pasts = lot.ids, {}, {}, {}
    local heads, past = fetch(P .. 'm', ids, true), fetch(P .. 'x', ids)
    local some = #past > 0
    for n, id in ipairs(ids) do
        if is_readable(heads[n], past[n]) then
            kept[#kept + 1], theirs[#theirs + 1] = id, heads[n]
            if some then
                pasts[#kept] = past[n] or false
            end
        elseif lot.from[id] then
            lot.counts[lot.from[id]] = lot.counts[lot.from[id]] - 1
            weigh(lot.from[id], id, -1)
            set_aside(id, heads[n], past[n], lot.from[id])
        end
    end
    if #kept < #ids then
        lot.ids = kept
    end
    return theirs, pasts, #ids - #kept
end

-- What was taken by a lease that fails after all stands in its line again.
local function put_back(lot)
    for _, id in ipairs(lot.ids) do
        redis.pcall('HDEL', P .. 'run', id)
    end
    for _, one in ipairs(lot.popped) do
        local key, popped, queue, lane, m, moved = one[1], one[2], one[3], one[4], one[5], one[6]
        for at = 1, #popped, 2 do
            local id = string.sub(popped[at], 9)
            if redis.pcall('HEXISTS', P .. 'e', id) ~= 1 then
                redis.pcall('ZADD', key, popped[at + 1], popped[at])
                pcall(stand, queue, lane)
                if m then
                    pcall(count_run, m.route, moved, -1)
                    pcall(hold, id, one[7] and m or {route = {}})
                end
            end
        end
    end
end

-- What a function answers; if it fails, the error, and nothing is taken.
local function safely(give, lot)
    local given, answer = pcall(give)
    if given then
        return answer
    end
    put_back(lot)
    return type(answer) == 'table' and answer or redis.error_reply(answer)
end
