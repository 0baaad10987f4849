-- strays: what stands in a line and is no message, as somebody else has taken its head away; for `lease` alone.
-- It holds up nobody, and is counted no more.
local function pass_over(queue, id)
    call('ZREM', P .. 'a:' .. queue, id)
    call('ZREM', P .. 'exp', id)
end

-- Of what was taken (`lot`, see `take`) only messages are kept: their heads, and how many were no messages.
local function heads_of(lot)
    local ids, heads, kept, theirs = lot.ids, fetch(P .. 'm', lot.ids, true), {}, {}
    for n, id in ipairs(ids) do
        if is_whole(heads[n]) then
            kept[#kept + 1], theirs[#theirs + 1] = id, heads[n]
        elseif lot.from[id] then
            lot.counts[lot.from[id]] = lot.counts[lot.from[id]] - 1
            pass_over(lot.from[id], id)
        end
    end
    if #kept < #ids then
        lot.ids = kept
    end
    return theirs, #ids - #kept
end
