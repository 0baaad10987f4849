-- message: one message in parts, each a hash by id, so that a batch is one command.
-- {ns}:m    head: what its producer said, and its place in the order of acceptance; live and ended ones
-- {ns}:b    body: of live and dead ones
-- {ns}:x    history: of those that have one (they came back, waited for a time, were moved here)
-- {ns}:f    newest failure, {ns}:p  progress: MessagePack, as the client wrote it
-- {ns}:run  its lease: who runs it, under which fence; of running ones
-- {ns}:e    end: how and when; of ended ones
local HEAD = '>BI8ddI4' -- 1 if unique, 2 more if the newest goes first, seq, created, expires (-1: never), size of the route; then route and headers
local RUN = '>BI8I4d'   -- 1 if unique, fence, attempt, started; then the worker
local END = '>BddI8I2'  -- state, finished, when to forget it (-1: never), order, size of its last lease; that; the tail

-- Places in a route and in a history.
local QUEUE, LANE, PRIORITY, TASK, KEY, UNIQUE, METERS, COST = 1, 2, 3, 4, 5, 6, 7, 8
local ATTEMPT, LOST, DUE, SETTLED, UNKNOWN, CAUSE, MOVED = 1, 2, 3, 4, 5, 6, 7

-- What was read before in this script: route and headers, packed -> whether they are what we write.
local sound = {}

-- Whether there is a head, and one of ours. Of an id in a line there is none if somebody else has taken it away, or
-- written over it.
local function is_whole(head)
    if not head or #head < 29 then
        return false
    end
    local first, second, _, _, _, _, _, _, third, fourth = string.byte(head, 10, 19) -- of two times
    if (first % 128 == 127 and second >= 240) or (third % 128 == 127 and fourth >= 240) then
        return false -- no number, or an infinite one
    end
    local rest = string.sub(head, 26)
    if sound[rest] == nil then
        sound[rest] = is_route_and_headers(rest)
    end
    return sound[rest]
end

-- Whether a head that is whole names no meters, and no cost: then its route has six parts.
local function is_usual(head)
    return string.byte(head or '', 30) == 0x96
end

-- What stands for a message whose head nobody can read: of its queue and its place no more is known than where it stands.
local function stand_in(id, known)
    local queue, seq = known or '', 0
    for _, name in ipairs(known and {known} or (id and call('SMEMBERS', P .. 'queues')) or {}) do
        local at = call('ZSCORE', P .. 'a:' .. name, id) or call('ZSCORE', P .. 'd:' .. name, id)
        if at then
            queue, seq = name, math.max(0, tonumber(at))
            break
        end
    end
    local packed = '\150' .. cmsgpack.pack(queue) .. cmsgpack.pack('') .. '\0' .. cmsgpack.pack('') .. '\192\192'
    return {
        unique = 0, newest = false, seq = seq, created = now, expires = -1, packed = packed, size = #packed, headers = '',
        route = {queue, '', 0, ''},
    }
end

local function opened(blob, id, queue)
    if not is_whole(blob) then -- without its headers, perhaps
        blob = blob and #blob >= 29 and string.sub(blob, 1, 29 + select(5, struct.unpack(HEAD, blob)))
        if not is_whole(blob) then
            return stand_in(id, queue)
        end
    end
    local unique, seq, created, expires, size, at = struct.unpack(HEAD, blob)
    local route = string.sub(blob, at, at + size - 1)
    return {
        unique = unique % 2, newest = unique >= 2, seq = seq, created = created, expires = expires, packed = route, size = size,
        headers = string.sub(blob, at + size), route = cmsgpack.unpack(route),
    }
end

local function sealed(m)
    return struct.pack(HEAD, m.unique + (m.newest and 2 or 0), m.seq, m.created, m.expires, m.size) .. m.packed .. m.headers
end

-- What it is by has changed: its head is written anew. A table keeps no nil, so each part is packed by itself.
local function rewrite(id, m)
    local route, n = m.route, (m.route[METERS] or m.route[COST]) and 8 or 6
    local packed = {string.char(0x90 + n)}
    for at = 1, n do
        if at == METERS then
            packed[#packed + 1] = string.char(0x90 + #(route[at] or {}))
            for _, name in ipairs(route[at] or {}) do
                packed[#packed + 1] = cmsgpack.pack(name)
            end
        elseif at == COST then
            packed[#packed + 1] = cmsgpack.pack(route[at] or 1)
        else
            packed[#packed + 1] = route[at] == nil and '\192' or cmsgpack.pack(route[at])
        end
    end
    m.packed = table.concat(packed)
    m.size = #m.packed
    call('HSET', P .. 'm', id, sealed(m))
end

-- It is put into another lane, whose name may tell meters that it passes from then on: `flow.lane.renamed`.
local function put_into(id, m, x, name)
    local lane, told = string.match(name, '^([^|]*)(.*)$')
    local meters, known, before = {}, {}, m.route[METERS] or {}
    x[MOVED] = lane
    for one in string.gmatch(told, '|meter:([^|]+)') do
        meters[#meters + 1], known[one] = one, true
    end
    for _, one in ipairs(before) do
        if not known[one] and string.sub(one, 1, 5) ~= 'rule:' then
            meters[#meters + 1] = one
        end
    end
    if table.concat(meters, '|') ~= table.concat(before, '|') and #meters < 16 then
        m.route[METERS] = meters
        rewrite(id, m)
    end
end

local function history(blob)
    return blob and read_history(blob) or {0, 0, -1, 0, -1, '', false}
end

-- Whether an end is one of ours, as far as the server looks at it.
local function is_end(packed)
    local size = packed and #packed >= 27 and select(5, struct.unpack(END, packed))
    return size and string.byte(packed, 1) <= 4 and (size == 0 or size >= 21) and #packed >= 27 + size
end

local function lane_of(m, x)
    return x[MOVED] or m.route[LANE]
end

-- How it stands in a line: by its number; where the newest goes first by what is left from it to the largest number,
-- before all of its priority that were accepted otherwise (`score`).
local LARGEST = 2 ^ 53
local function member(seq, id, newest)
    return struct.pack('>I8', newest and LARGEST - seq or seq) .. id
end

local function score(m)
    return -m.route[PRIORITY] - (m.newest and 0.5 or 0)
end
