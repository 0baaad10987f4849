-- place: where a live message waits.
-- {ns}:r:<queue>:<lane>  zset  ready: by priority, then in order of acceptance (member: seq in eight bytes, then id)
-- {ns}:ln:<queue>        zset  lanes that may hold something: by when they may be looked at
-- {ns}:due               zset  scheduled: by due time
-- {ns}:a:<queue>         zset  live ones that never had to wait for a time: by seq
-- {ns}:d:<queue>         zset  live ones that had, or have: by seq
-- {ns}:bk:<queue>        zset  those of them that are ready: by since when
-- {ns}:exp               zset  those that wait and may expire: by when
-- {ns}:q:<queue>         hash  ttl, totals, and how many are scheduled, running, dead; ready ones are counted by their lanes
-- {ns}:hungry            hash  queues that somebody waits for; {ns}:news  channel on which they are told
local function stir(queue)
    if call('HDEL', P .. 'hungry', queue) == 1 then
        call('PUBLISH', P .. 'news', queue)
    end
end

local function tally(queue, name, n)
    if n ~= 0 then
        call('HINCRBY', P .. 'q:' .. queue, name, n)
    end
end

local function enter_ready(id, m, x)
    local queue, lane = m.route[QUEUE], lane_of(m, x)
    call('ZADD', P .. 'r:' .. queue .. ':' .. lane, -m.route[PRIORITY], member(m.seq, id))
    call('ZADD', P .. 'ln:' .. queue, 0, lane)
    if x[DUE] >= 0 then
        call('ZADD', P .. 'bk:' .. queue, x[DUE], id)
    end
    stir(queue)
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
    stir(queue)
end

local function leave(id, m, x)
    local queue = m.route[QUEUE]
    if call('ZREM', P .. 'due', id) == 1 then
        tally(queue, 'scheduled', -1)
    else
        call('ZREM', P .. 'r:' .. queue .. ':' .. lane_of(m, x), member(m.seq, id))
        if x[DUE] >= 0 then
            call('ZREM', P .. 'bk:' .. queue, id)
        end
    end
    if m.expires >= 0 then
        call('ZREM', P .. 'exp', id)
    end
end
