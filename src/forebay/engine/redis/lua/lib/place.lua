-- place: where a live message waits; after `lanes`.
-- {ns}:r:<queue>:<lane>  zset  ready: by priority, then in order of acceptance (member: seq in eight bytes, then id)
-- {ns}:ln:<queue>        zset  lanes that may hold something: by when they may be looked at; 1e15: when a slot is free; of a fair queue see `lanes`
-- {ns}:due               zset  scheduled: by due time
-- {ns}:hd:<queue>:<lane> zset  of an ordered queue, what has started before and waits again, by seq: it goes before all others
-- {ns}:a:<queue>         zset  live ones that never had to wait for a time: by seq
-- {ns}:d:<queue>         zset  live ones that had, or have: by seq
-- {ns}:bk:<queue>        zset  those of them that are ready: by since when
-- {ns}:exp               zset  those that wait and may expire: by when
local function enter_ready(id, m, x, waited)
    local queue, lane = m.route[QUEUE], place_of(m.route, x[MOVED])
    if not waited then
        weigh(queue, id, 1)
    end
    call('ZADD', P .. 'r:' .. queue .. ':' .. lane, score(m), member(m.seq, id, m.newest))
    stand(queue, lane)
    if x[DUE] >= 0 then
        call('ZADD', P .. 'bk:' .. queue, x[DUE], id)
    end
    stir(queue)
end

-- It has started before: nothing of its key goes before it.
local function hold(id, m)
    local queue, key = m.route[QUEUE], m.route[KEY]
    local split = split_of(queue)
    if key and split and split.ordered then
        call('ZADD', P .. 'hd:' .. queue .. ':|key:' .. key, m.seq, id)
    end
end

-- `x` gets its due time here; where it stood among those that never waited for one, it does no more.
local function enter_scheduled(id, m, x, due)
    local queue = m.route[QUEUE]
    if x[DUE] < 0 and call('ZREM', P .. 'a:' .. queue, id) == 1 then
        call('ZADD', P .. 'd:' .. queue, m.seq, id)
    end
    x[DUE] = due
    call('ZADD', P .. 'due', due, id)
    tally(queue, 'scheduled', 1)
    weigh(queue, id, 1)
    stir(queue)
end

-- What it held up goes on.
local function let_pass(id, m)
    local queue, key = m.route[QUEUE], m.route[KEY]
    if key and call('ZREM', P .. 'hd:' .. queue .. ':|key:' .. key, id) == 1 then
        stand(queue, '|key:' .. key, true)
        stir(queue)
    end
end

local function leave(id, m, x)
    local queue = m.route[QUEUE]
    weigh(queue, id, -1)
    if call('ZREM', P .. 'due', id) == 1 then
        tally(queue, 'scheduled', -1)
    else
        local waits = member(m.seq, id, m.newest)
        if call('ZREM', P .. 'r:' .. queue .. ':' .. place_of(m.route, x[MOVED]), waits) == 0 then
            for _, lane in ipairs(call('ZRANGE', P .. 'ln:' .. queue, 0, -1)) do -- what is told apart has changed since
                call('ZREM', P .. 'r:' .. queue .. ':' .. lane, waits)
            end
        end
        if x[DUE] >= 0 then
            call('ZREM', P .. 'bk:' .. queue, id)
        end
    end
    let_pass(id, m)
    if m.expires >= 0 then
        call('ZREM', P .. 'exp', id)
    end
end

-- The first of a lane, as it stands in its line: in an ordered queue what has started before, whatever came since; nil and
-- true if that waits for a time.
local function first_in(queue, lane, key)
    local split = split_of(queue)
    while split and split.ordered do
        local heads = P .. 'hd:' .. queue .. ':' .. lane
        local head = call('ZRANGE', heads, 0, 0, 'WITHSCORES')
        if not head[1] then
            break
        elseif call('ZSCORE', P .. 'due', head[1]) then
            return nil, true
        end
        local waits = member(tonumber(head[2]), head[1])
        if call('ZSCORE', key, waits) then
            return waits
        end
        call('ZREM', heads, head[1]) -- left over from before the queue was ordered anew
    end
    return call('ZRANGE', key, 0, 0)[1]
end

-- The first of what is ready in a lane, whether it may go or not.
local function foremost(queue, lane)
    local line = P .. 'r:' .. queue .. ':' .. lane
    return first_in(queue, lane, line) or call('ZRANGE', line, 0, 0)[1]
end

-- Until when one of an ordered key that has started before waits, and lets nobody of its lane pass; '' if none does.
local function waits_until(queue, lane)
    local split = split_of(queue)
    local first = split and split.ordered and call('ZRANGE', P .. 'hd:' .. queue .. ':' .. lane, 0, 0)[1]
    return first and call('ZSCORE', P .. 'due', first) or ''
end
