-- take: how one lease takes from a lane; after `meters`, `ripen` and `workers`, for `lease` alone. It says what it is about
-- in `lot`: caps, late (sweeping left some that are too late), sweep, and the end of what expired.
-- ids: what it took; charged: from a rate; counts: how many of each queue; extra: lanes that came to be, of what has to wait elsewhere by now;
-- moves: how often that was in fair queues.
-- popped: what it took out of lines, to put it back: line, members and scores, queue, lane, and of those with bounds head, lane
-- they were moved to, whether they went before others.
-- from: the queue of those that were taken without a look at their heads.
local lot = {ids = {}, counts = {}, extra = {}, found = {}, from = {}, popped = {}, moves = 0}

local function too_late(id)
    local expires = call('ZSCORE', P .. 'exp', id)
    if not expires or tonumber(expires) > now then
        return false
    end
    local head, past = call('HGET', P .. 'm', id), call('HGET', P .. 'x', id)
    if not is_readable(head, past) then
        return false
    end
    call('ZREM', P .. 'exp', id)
    local m, x = opened(head), history(past)
    if x[DUE] >= 0 then
        call('ZREM', P .. 'bk:' .. m.route[QUEUE], id)
    end
    weigh(m.route[QUEUE], id, -1)
    end_live(id, m, x, EXPIRED, '', lot.tail, lot.keep)
    announce({id})
    return true
end

-- Up to `n` from a lane; how many, and whether that was all there is.
local function take(place, n)
    local queue, lane, key = place[1], place[2], place[3]
    local got, empty = 0, false
    while got < n and not empty do
        local popped = call('ZPOPMIN', key, n - got)
        empty = #popped < 2 * (n - got)
        lot.popped[#lot.popped + 1] = {key, popped, queue, lane}
        for at = 1, #popped, 2 do
            local id = string.sub(popped[at], 9)
            if not (lot.late and too_late(id)) then
                lot.ids[#lot.ids + 1] = id
                lot.from[id] = queue
                got = got + 1
            end
        end
    end
    if empty then
        call('ZREM', P .. 'ln:' .. queue, lane)
    end
    lot.counts[queue] = (lot.counts[queue] or 0) + got
    if lot.caps[lane] then
        lot.caps[lane] = lot.caps[lane] - got
    end
    return got, empty
end

-- What holds up the first of a lane, nil if nothing does: then it has passed its meters.
local function held_up(place, m, x)
    local queue, lane, own, route = place[1], place[2], lane_of(m, x), m.route
    if (lot.caps[own] or 1) <= 0 or is_shut(closed(), queue, own, route[TASK], route[KEY]) then
        return 0
    end
    local meters, tats = passed(route, lot.counts[queue] or 0), {}
    for n, meter in ipairs(meters) do
        local tat, go = grant(meter, route[COST] or 1)
        if not tat then
            if meter.name == 'queue:' .. queue then
                call('HSET', P .. 'q:' .. queue, 'go', text(go or 0))
                return 0
            end
            if not go then
                local name = meter.own and 'key:' .. queue .. ':' .. route[KEY] or meter.name
                call('SADD', P .. 'zs:' .. name, queue .. '\0' .. lane)
            end
            return go or ASLEEP
        end
        tats[n] = tat
    end
    for n, meter in ipairs(meters) do
        if meter.rate then
            call('HSET', P .. 'mp', meter.name, text(tats[n]))
            lot.charged = true
        end
    end
    if lot.caps[own] then
        lot.caps[own] = lot.caps[own] - 1
    end
    return nil
end

-- Whether a lane tells all apart that is told apart now: then what is in it may stay.
local function is_finer(lane, where)
    for part in string.gmatch(where, '|[^|]+') do
        if not string.find(lane .. '|', part .. '|', 1, true) then
            return false
        end
    end
    return true
end

-- Up to `n` from a lane of a queue with bounds, one by one; how many, and whether it has no more for now.
local function take_bound(place, n)
    local queue, lane, key, got, moved = place[1], place[2], place[3], 0, 0
    while got < n do
        local first, asleep = first_in(queue, lane, key)
        if asleep then
            call('ZADD', P .. 'ln:' .. queue, ASLEEP, lane)
            return got, true
        elseif not first then
            call('ZREM', P .. 'ln:' .. queue, lane)
            return got, true
        end
        local id = string.sub(first, 9)
        local head, past, m, x, where = call('HGET', P .. 'm', id), call('HGET', P .. 'x', id), nil, nil, nil
        if is_readable(head, past) then
            m, x = opened(head), history(past)
            where = place_of(m.route, x[MOVED])
        end
        if not m then
            call('ZREM', key, first)
            call('ZREM', P .. 'hd:' .. queue .. ':' .. lane, id)
            weigh(queue, id, -1)
            set_aside(id, head, past, queue)
        elseif m.expires >= 0 and m.expires <= now then
            call('ZREM', key, first)
            too_late(id)
        elseif where ~= lane and not is_finer(lane, where) then
            call('ZREM', key, first)
            call('ZADD', P .. 'r:' .. queue .. ':' .. where, score(m), first)
            stand(queue, where)
            if split_of(queue).fair then
                lot.moves = lot.moves + 1 -- it has its turn there
            elseif not lot.found[queue .. where] then
                lot.found[queue .. where] = true
                lot.extra[#lot.extra + 1] = {queue, where, P .. 'r:' .. queue .. ':' .. where, place[4]}
            end
            moved = moved + 1
            if moved > lot.sweep then
                return got, true
            end
        else
            local go = held_up(place, m, x)
            if go then
                if go > 0 then
                    call('ZADD', P .. 'ln:' .. queue, text(go), lane)
                end
                return got, true
            end
            call('ZREM', key, first)
            local back = m.route[KEY] and call('ZREM', P .. 'hd:' .. queue .. ':|key:' .. m.route[KEY], id) == 1
            lot.popped[#lot.popped + 1] = {key, {first, score(m)}, queue, lane, m, x[MOVED], back}
            count_run(m.route, x[MOVED], 1)
            lot.ids[#lot.ids + 1], got = id, got + 1
            lot.counts[queue] = (lot.counts[queue] or 0) + 1
        end
    end
    return got, false
end
