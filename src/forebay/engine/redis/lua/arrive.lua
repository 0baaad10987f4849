--#use base count sound message tell gates lanes meters place ends routes
-- arrive: route, mover, '1' for what comes back from aside, then for each: id, body, what it was (packed: created,
-- expires, attempt, lost, due, scheduled, first, unknown, cause, died, started, worker; times below 0: none), route of the
-- message, headers, failure, progress, tail of its end
-- -> the last number given, and for each: 0 it is there, 1 its id is known, 'd' and the id of who has its unique key;
-- nil: not his route.
local way, back = ARGV[3], ARGV[5] == '1'
if not moves(way, ARGV[4]) then
    return false
end
if back then
    even_if_full()
end
-- the first change: a server that has no room refuses it if it is new, and nothing has happened
local last = number('seq', (#ARGV - 5) / 8)
local seq, answers = last - (#ARGV - 5) / 8, {}

local function enter(id, m, was)
    local queue, due = m.route[QUEUE], was[5]
    local x = {was[3], was[4], -1, 0, was[8], was[9], false}
    if was[7] == 1 then
        hold(id, m)
    end
    if was[6] == 1 then
        call('ZADD', P .. 'd:' .. queue, m.seq, id)
        enter_scheduled(id, m, x, due)
    else
        x[DUE] = due < 0 and m.created < now and m.created or due -- it is older than its place in the line says
        call('ZADD', P .. (x[DUE] < 0 and 'a:' or 'd:') .. queue, m.seq, id)
        enter_ready(id, m, x)
    end
    call('HSET', P .. 'x', id, cmsgpack.pack(x))
    if m.expires >= 0 then
        call('ZADD', P .. 'exp', m.expires, id)
    end
    if m.route[UNIQUE] then
        call('HSET', P .. 'u', m.route[UNIQUE], id)
    end
    tally(queue, 'published', 1)
end

local function lay_down(id, m, was, tail)
    local order, run = number('ends', 1), ''
    if was[11] >= 0 then
        run = struct.pack(RUN, m.unique, 0, was[3], was[11]) .. was[12]
    end
    call('HSET', P .. 'x', id, cmsgpack.pack({was[3], was[4], was[5], 0, -1, '', false}))
    call('HSET', P .. 'e', id, struct.pack(END, DEAD, was[10], -1, order, #run) .. run .. tail)
    call('ZADD', P .. 'ends:dead', order, id)
    tally(m.route[QUEUE], 'dead', 1)
end

for at = 6, #ARGV, 8 do
    local id, was, answer = ARGV[at], cmsgpack.unpack(ARGV[at + 2]), 0
    local m = {packed = ARGV[at + 3], size = #ARGV[at + 3], headers = ARGV[at + 4], route = cmsgpack.unpack(ARGV[at + 3])}
    local unique = m.route[UNIQUE]
    seq = seq + 1
    m.seq, m.unique, m.created, m.expires = seq, unique and 1 or 0, math.min(was[1], now), was[2]
    if call('SISMEMBER', P .. 'mk:' .. way, id) == 1 or (back and not call('ZSCORE', P .. 'as:' .. way, id)) then
        answer = 0 -- done before
    elseif call('HEXISTS', P .. 'm', id) == 1 then
        answer = 1
    elseif unique and was[10] < 0 and call('HEXISTS', P .. 'u', unique) == 1 then
        answer = 'd' .. string.match(call('HGET', P .. 'u', unique), '%S+')
    else
        call('HSET', P .. 'm', id, sealed(m))
        call('HSET', P .. 'b', id, ARGV[at + 1])
        for n, name in ipairs({'f', 'p'}) do
            if ARGV[at + 4 + n] ~= '' then
                call('HSET', P .. name, id, ARGV[at + 4 + n])
            end
        end
        call('SADD', P .. 'queues', m.route[QUEUE])
        if was[10] < 0 then
            enter(id, m, was)
        else
            lay_down(id, m, was, ARGV[at + 7])
        end
    end
    if type(answer) == 'number' and back then
        call('ZREM', P .. 'as:' .. way, id)
        call('HDEL', P .. 'ab:' .. way, id)
    elseif type(answer) == 'number' then
        call('SADD', P .. 'mk:' .. way, id)
    end
    answers[#answers + 1] = answer
end
return {last, answers}
