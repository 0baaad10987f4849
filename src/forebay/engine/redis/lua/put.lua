--#use plain count
-- put: queue, lane, priority (below zero for above), ttl (-1 for that of the queue), route, headers, then id and body each, of messages that
-- are due at once, have no unique key and no history: most messages. -> the last number given, if all were accepted; else that,
-- and 0 or 1 (known) for each; 0 alone if that queue takes another way. For the keys see lib/message.lua and lib/place.lua.
local queue, lane, score, ttl = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local n = (#ARGV - 8) / 2
local tally = P .. 'q:' .. queue
local known = call('HMGET', tally, 'ttl', 'bound', 'on_full', 'lifo')
if known[2] == '1' or known[3] or known[4] or call('EXISTS', P .. 'ag', P .. 'mt') > 0 then
    return 0 -- something is told apart there: `publish` does that
end
-- the first change: a server that has no room refuses it, and nothing has happened
local last = number('seq', n)
local seq = last - n
if ttl < 0 then
    ttl = (tonumber(known[1]) or -1)
end
local expires = ttl < 0 and -1 or now + ttl
local rest = struct.pack('>ddI4', now, expires, #ARGV[7]) .. ARGV[7] .. ARGV[8] -- of each head, behind its number
local ids = {}
for at = 9, #ARGV, 2 do
    ids[#ids + 1] = ARGV[at]
end
known = call('HMGET', P .. 'm', unpack(ids))
local heads, parts, live, line, answers, mine, fresh = {}, {}, {}, {}, {}, {}, 0
for at, id in ipairs(ids) do
    seq = seq + 1
    answers[at] = 1
    if not known[at] and not mine[id] then
        mine[id] = true
        answers[at] = 0
        fresh = fresh + 2
        local number = struct.pack('>I8', seq)
        heads[fresh - 1], heads[fresh] = id, '\0' .. number .. rest
        parts[fresh - 1], parts[fresh] = id, ARGV[8 + 2 * at]
        live[fresh - 1], live[fresh] = seq, id
        line[fresh - 1], line[fresh] = score, number .. id
    elseif ARGV[2] ~= '' and not mine[id] and #known[at] >= 9 and struct.unpack('>I8', known[at], 2) > tonumber(ARGV[2]) then
        -- it came in with this very call, whose answer was lost
        mine[id] = true
        answers[at] = 0
    end
end
if fresh > 0 then
    local key = P .. 'r:' .. queue .. ':' .. lane
    call('HSET', P .. 'm', unpack(heads))
    call('HSET', P .. 'b', unpack(parts))
    call('ZADD', P .. 'a:' .. queue, unpack(live))
    call('ZADD', key, unpack(line))
    if expires >= 0 then
        for at = 2, fresh, 2 do
            live[at - 1] = expires
        end
        call('ZADD', P .. 'exp', unpack(live))
    end
    if call('ZCARD', key) * 2 == fresh then
        call('ZADD', P .. 'ln:' .. queue, 0, lane)
    end
    if count(tally, 'published', fresh / 2) * 2 == fresh then
        call('SADD', P .. 'queues', queue)
    end
    if call('HDEL', P .. 'hungry', queue) == 1 then
        call('PUBLISH', P .. 'news', queue)
    end
end
if fresh == 2 * n then
    return last
end
return {last, answers}
