-- wanted: which lanes one lease looks at, of the queues that it was asked for; after `whole`, `sorted` and `fair`, for `lease`
-- alone. Of very many queues it looks at no more than it needs, and begins behind the last one that it took from before;
-- those in which nothing waits are passed over by halves.
-- Lanes of a queue that one lease looks at, and from which it may take where it was asked for other queues as well: what waits
-- there waits for so many at the most (`flow.portion.LANES`); messages that it puts into the lanes of their keys, where these were not told
-- apart before; queues that it looks at at once, and beyond which it may leave some out.
local MOST_LANES, LANES, SORTED, WIDE = 500, 100, 10000, 64

-- Whether nothing of a queue may start now, whatever lane it is in.
local function is_idle(queue, split)
    local go, running, kept = unpack(call('HMGET', P .. 'q:' .. queue, 'go', 'running', 'kept'))
    local taken = (tonumber(running) or 0) + (tonumber(kept) or 0)
    return is_paused(queue) or (tonumber(go) or 0) > now or (split.slots and taken >= split.slots)
end

-- Places of a queue, each: queue, lane, line, whether it is bound one by one, how to take from it if not as usual.
local function places_of(queue, places, shift, most)
    local split, gates = split_of(queue), closed()
    if split then
        mind_the_clock()
        if is_idle(queue, split) or (split.unsorted and not is_sorted(queue, SORTED)) then
            return
        end
    end
    if split and split.fair then
        if call('EXISTS', P .. 'fs:' .. queue) == 1 or call('ZCOUNT', P .. 'ln:' .. queue, '-inf', now) > 0 then
            places[#places + 1] = {queue, '', '', true, take_fair} -- one of them, and shares out by itself
        end
        return
    end
    local lanes, before = call('ZRANGEBYSCORE', P .. 'ln:' .. queue, '-inf', now, 'LIMIT', 0, MOST_LANES), #places
    for n = 1, #lanes do
        local lane = lanes[(n + shift - 1) % #lanes + 1]
        local apart = string.find(lane, '|', 1, true) -- or what is left where something was told apart
        local bound = apart or (split and not split.whole)
        if #places - before >= most then
            return
        elseif bound or ((lot.caps[lane] or 1) > 0 and not is_shut(gates, queue, lane)) then
            places[#places + 1] = {queue, lane, P .. 'r:' .. queue .. ':' .. lane, bound, split and not bound and take_whole}
        end
    end
end

-- One place of each queue, then a second one of each …, so that what waits in one lane does not wait for all the lanes of
-- another queue: `flow.portion.in_turn`, with its MIX and PRIME.
local function in_turn(places, turn)
    local groups, of, turned = {}, {}, {}
    for _, place in ipairs(places) do
        local group = of[place[1]] or {}
        if #group == 0 then
            groups[#groups + 1], of[place[1]] = group, group
        end
        group[#group + 1] = place
    end
    local begin, n = #groups < 2 and turn or turn * 40503 % 65521, 0
    while #turned < #places do
        for at = 1, #groups do
            local group = groups[(turn + at - 1) % #groups + 1]
            if n < #group then
                turned[#turned + 1] = group[(begin + n) % #group + 1]
            end
        end
        n = n + 1
    end
    return turned
end

-- Of the queues from ARGV[first] on.
local function new_wanted(first, limit, turn, visits)
    local n, looked, seen, places = #ARGV - first + 1, 0, {}, {}
    local wide = n > WIDE
    local start, shift = wide and turn % n or 0, wide and math.floor(turn / n) * visits or 0

    -- Those from one position up to another, if something waits in any of them.
    local function look(from, to)
        local keys = {}
        for at = from, to do
            keys[#keys + 1] = P .. 'ln:' .. ARGV[first + (start + at) % n]
        end
        if call('EXISTS', unpack(keys)) == 0 then
            return
        elseif from < to then
            local middle = math.floor((from + to) / 2)
            look(from, middle)
            return look(middle + 1, to)
        end
        local queue, before = ARGV[first + (start + from) % n], #places
        if not seen[queue] then
            seen[queue] = true
            places_of(queue, places, shift, n == 1 and MOST_LANES or LANES)
        end
        for at = before + 1, #places do
            places[at][6] = from
        end
    end

    local function is_done()
        return looked >= n
    end

    local function more()
        places = {}
        while looked < n and #places < limit do
            local to = math.min(looked + WIDE, n)
            look(looked, to - 1)
            looked = to
        end
        return (wide or #places < 2) and places or in_turn(places, turn)
    end

    -- The turn once a place had its visit.
    local furthest = -1
    local function visited(place, after)
        furthest = math.max(furthest, place[6] or -1)
        return wide and turn + furthest + 1 or after + 1
    end

    return {more = more, visited = visited, is_done = is_done}
end
