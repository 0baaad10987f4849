-- message: one message in parts, each a hash by id, so that a batch is one command.
-- {ns}:m    head: what its producer said, and its place in the order of acceptance; live and ended ones
-- {ns}:b    body: of live and dead ones
-- {ns}:x    history: of those that have one (they came back, waited for a time, were moved here)
-- {ns}:f    newest failure, {ns}:p  progress: MessagePack, as the client wrote it
-- {ns}:run  its lease: who runs it, under which fence; of running ones
-- {ns}:e    end: how and when; of ended ones
local HEAD = '>BI8ddI4' -- 1 if unique, seq, created, expires (-1: never), size of the route; then route and headers
local RUN = '>BI8I4d'   -- 1 if unique, fence, attempt, started; then the worker
local END = '>BddI8I2'  -- state, finished, when to forget it (-1: never), order, size of its last lease; that; the tail

-- Places in a route and in a history.
local QUEUE, LANE, PRIORITY, TASK, KEY, UNIQUE, METERS, COST = 1, 2, 3, 4, 5, 6, 7, 8
local ATTEMPT, LOST, DUE, SETTLED, UNKNOWN, CAUSE, MOVED = 1, 2, 3, 4, 5, 6, 7

local function opened(blob)
    local unique, seq, created, expires, size, at = struct.unpack(HEAD, blob)
    local route = string.sub(blob, at, at + size - 1)
    return {
        unique = unique, seq = seq, created = created, expires = expires, packed = route, size = size,
        headers = string.sub(blob, at + size), route = cmsgpack.unpack(route),
    }
end

local function sealed(m)
    return struct.pack(HEAD, m.unique, m.seq, m.created, m.expires, m.size) .. m.packed .. m.headers
end

local function history(blob)
    return blob and cmsgpack.unpack(blob) or {0, 0, -1, 0, -1, '', false}
end

local function lane_of(m, x)
    return x[MOVED] or m.route[LANE]
end

local function member(seq, id)
    return struct.pack('>I8', seq) .. id
end
