-- place: where a live message waits; after `lanes`.
-- {ns}:r:<queue>:<lane>  zset  ready: by priority, then in order of acceptance (member: seq in eight bytes, then id)
-- {ns}:ln:<queue>        zset  lanes that may hold something: by when they may be looked at; 1e15: when a slot is free
-- {ns}:due               zset  scheduled: by due time
-- {ns}:hl:<queue>        hash  lane of an ordered queue -> the messages in it that wait for a time, which nobody may pass;
--                              their ids, each with a space behind it
-- {ns}:a:<queue>         zset  live ones that never had to wait for a time: by seq
-- {ns}:d:<queue>         zset  live ones that had, or have: by seq
-- {ns}:bk:<queue>        zset  those of them that are ready: by since when
-- {ns}:exp               zset  those that wait and may expire: by when
local function enter_ready(id, m, x)
    local queue, lane = m.route[QUEUE], place_of(m.route, x[MOVED])
    call('ZADD', P .. 'r:' .. queue .. ':' .. lane, -m.route[PRIORITY], member(m.seq, id))
    call('ZADD', P .. 'ln:' .. queue, 0, lane)
    if x[DUE] >= 0 then
        call('ZADD', P .. 'bk:' .. queue, x[DUE], id)
    end
    stir(queue)
end

-- `x` gets its due time here; `held`: nobody of an ordered lane passes it meanwhile; where it stood among those that never waited for one, it does no more.
local function enter_scheduled(id, m, x, due, held)
    local queue = m.route[QUEUE]
    if x[DUE] < 0 and call('ZREM', P .. 'a:' .. queue, id) == 1 then
        call('ZADD', P .. 'd:' .. queue, m.seq, id)
    end
    x[DUE] = due
    call('ZADD', P .. 'due', due, id)
    tally(queue, 'scheduled', 1)
    local split = split_of(queue)
    if split and split.ordered and m.route[KEY] and held then
        local lane = place_of(m.route, x[MOVED])
        call('HSET', P .. 'hl:' .. queue, lane, (call('HGET', P .. 'hl:' .. queue, lane) or '') .. id .. ' ')
    end
    stir(queue)
end

-- What it held up goes on.
local function let_pass(id, m)
    local queue, lane = m.route[QUEUE], '|key:' .. (m.route[KEY] or '')
    local held = m.route[KEY] and call('HGET', P .. 'hl:' .. queue, lane)
    local first, last = string.find(held or '', id .. ' ', 1, true)
    if not first then
        return
    end
    held = string.sub(held, 1, first - 1) .. string.sub(held, last + 1)
    if held == '' then
        call('HDEL', P .. 'hl:' .. queue, lane)
    else
        call('HSET', P .. 'hl:' .. queue, lane, held)
    end
    call('ZADD', P .. 'ln:' .. queue, 'XX', 0, lane)
    stir(queue)
end

local function leave(id, m, x)
    local queue = m.route[QUEUE]
    if call('ZREM', P .. 'due', id) == 1 then
        tally(queue, 'scheduled', -1)
        let_pass(id, m)
    else
        local waits = member(m.seq, id)
        if call('ZREM', P .. 'r:' .. queue .. ':' .. place_of(m.route, x[MOVED]), waits) == 0 then
            for _, lane in ipairs(call('ZRANGE', P .. 'ln:' .. queue, 0, -1)) do -- what is told apart has changed since
                call('ZREM', P .. 'r:' .. queue .. ':' .. lane, waits)
            end
        end
        if x[DUE] >= 0 then
            call('ZREM', P .. 'bk:' .. queue, id)
        end
    end
    if m.expires >= 0 then
        call('ZREM', P .. 'exp', id)
    end
end
