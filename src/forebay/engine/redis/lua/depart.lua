--#use base count sound message tell gates lanes meters place ends routes
-- depart: route, mover, queue, '1' for dead ones, place to go on from, how many to look at, bytes of bodies that are enough
-- -> the place to go on from (-1: nothing is left), then id and parts of each that stands aside now; nil: not his route.
local route, queue, dead = ARGV[3], ARGV[5], ARGV[6] == '1'
local after, limit, most = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
if not moves(route, ARGV[4]) then
    return false
end
even_if_full()
local found = {}
for _, key in ipairs(dead and {'ends:dead'} or {'a:' .. queue, 'd:' .. queue}) do
    local rows = call('ZRANGEBYSCORE', P .. key, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
    for at = 1, #rows, 2 do
        found[#found + 1] = {tonumber(rows[at + 1]), rows[at]}
    end
end
table.sort(found, function(one, other)
    return one[1] < other[1]
end)

-- Whether what else is there of it can be read.
local function is_movable(id)
    local x = call('HGET', P .. 'x', id)
    return (not x or read_history(x)) and (not dead or is_end(call('HGET', P .. 'e', id)))
end

-- Take one out of where it is; what it is, in parts.
local function taken(id, m, head)
    local x, due, first = call('HGET', P .. 'x', id), -1, 0
    local e = dead and call('HGET', P .. 'e', id) or ''
    if not dead then
        due = tonumber(call('ZSCORE', P .. 'due', id) or -1)
        first = m.route[KEY] and call('ZSCORE', P .. 'hd:' .. queue .. ':|key:' .. m.route[KEY], id) and 1 or 0
    end
    local parts = {head, call('HGET', P .. 'b', id) or '', x or '', call('HGET', P .. 'f', id) or ''}
    parts[5], parts[6] = call('HGET', P .. 'p', id) or '', e
    if dead then
        call('ZREM', P .. 'ends:dead', id)
        tally(queue, 'dead', -1)
    else
        x = history(x)
        leave(id, m, x)
        free_unique(id, m)
        call('ZREM', P .. 'a:' .. queue, id)
        call('ZREM', P .. 'd:' .. queue, id)
    end
    local sizes = struct.pack('>dBI4I4I4I4I4I4', due, first, #parts[1], #parts[2], #parts[3], #parts[4], #parts[5], #parts[6])
    return sizes .. table.concat(parts), #parts[2]
end

local answer, gone, size, last = {-1}, {}, 0, after
for n = 1, math.min(limit, #found) do
    local id = found[n][2]
    local head = call('HGET', P .. 'm', id)
    local m = is_whole(head) and opened(head)
    if m and not is_movable(id) then
        m = nil -- it stays, until a lease makes it a dead letter
    end
    last = found[n][1]
    if m and m.route[QUEUE] == queue and (dead or call('HEXISTS', P .. 'run', id) == 0) then
        local parts, body = taken(id, m, head)
        call('HSET', P .. 'ab:' .. route, id, parts)
        call('ZADD', P .. 'as:' .. route, call('HINCRBY', KEYS[1], 'departed', 1), id)
        answer[#answer + 1], answer[#answer + 2] = id, parts
        gone[#gone + 1], size = id, size + body
    end
    if size > most then
        break
    end
end
if #found > 0 and (#found >= limit or size > most) then
    answer[1] = type(last) == 'number' and text(last) or last
end
forget(gone)
return answer
