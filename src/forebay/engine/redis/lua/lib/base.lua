-- base: how every script begins. It finds its keys, which all carry the tag {namespace}, by KEYS[1] = {namespace}:meta.
-- ARGV[1]: the time, seconds since the epoch; '' for the server's own. ARGV[2]: not '' if this very call may have been
-- carried out before, its answer lost: then the newest number of a message that was known before, or 1. What a script is
-- asked for begins at ARGV[3].
--
-- {ns}:meta  hash    born, schema; seq, fence and ends: the last number of a message, of a lease, of an end
local P = string.sub(KEYS[1], 1, -5)
local call = redis.call
local again = tonumber(ARGV[2])
local now = tonumber(ARGV[1])
if not now then
    local time = call('TIME')
    now = time[1] + time[2] / 1000000
end

-- Arguments of one command: Lua's stack has an end. Even, for pairs.
local BITE = 4000

local function many(command, key, args)
    for first = 1, #args, BITE do
        call(command, key, unpack(args, first, math.min(first + BITE - 1, #args)))
    end
end

-- The values of these fields, false for those that are not there; nothing is asked of a hash that is not there.
local function fetch(key, fields, sure)
    if #fields == 0 or (not sure and call('EXISTS', key) == 0) then
        return {}
    end
    if #fields <= BITE then
        return call('HMGET', key, unpack(fields))
    end
    local values = {}
    for first = 1, #fields, BITE do
        for _, value in ipairs(call('HMGET', key, unpack(fields, first, math.min(first + BITE - 1, #fields)))) do
            values[#values + 1] = value
        end
    end
    return values
end

local function text(number)
    return string.format('%.17g', number)
end

-- A server that is full refuses what grows, unless something was changed before in the same script. This changes
-- nothing, and opens the door. All scripts that add something call it first, but those by which new messages come in.
local function even_if_full()
    call('HDEL', P .. 'hungry', ':')
end
