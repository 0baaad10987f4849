-- count: numbers in hashes. What is none, as somebody else wrote it, counts as 0; of those that give order
-- (seq, fence, ends) as the microseconds since the epoch, which are more than were ever given.
local function is_none(answer)
    local why = type(answer) == 'table' and answer.err or ''
    return string.find(why, 'hash value is not', 1, true) or string.find(why, 'overflow', 1, true)
end

local function count(key, name, n)
    local after = redis.pcall('HINCRBY', key, name, n)
    if type(after) ~= 'table' then
        return after
    elseif is_none(after) then
        redis.call('HDEL', key, name)
    end
    return redis.call('HINCRBY', key, name, n)
end

local function add(key, name, n)
    local after = redis.pcall('HINCRBYFLOAT', key, name, n)
    if type(after) == 'table' then
        if is_none(after) then
            redis.call('HDEL', key, name)
        end
        redis.call('HINCRBYFLOAT', key, name, n)
    end
end

local function number(name, n)
    local after = redis.pcall('HINCRBY', KEYS[1], name, n)
    if type(after) ~= 'table' then
        return after
    elseif is_none(after) then
        local time = redis.call('TIME')
        redis.call('HSET', KEYS[1], name, string.format('%.0f', time[1] * 1000000 + time[2]))
    end
    return redis.call('HINCRBY', KEYS[1], name, n)
end

-- The last number that a message was given.
local function last_number()
    local seq = redis.call('HGET', KEYS[1], 'seq')
    return not seq and 0 or tonumber(seq) and seq or number('seq', 0)
end
