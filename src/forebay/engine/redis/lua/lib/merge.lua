-- merge: what becomes of a message whose unique key is taken; after `message place ends gates room`.
-- {ns}:mg  hash  id that was merged -> into which; {ns}:mgx  zset  the same by when that is forgotten
local FORGET_MERGED = 600

-- The ids of live messages that hold a unique key, and the first of them that waits.
local function holders_of(unique)
    local held = call('HGET', P .. 'u', unique)
    local found, waits = {}, nil
    for one in string.gmatch(held or '', '%S+') do
        found[#found + 1] = one
        if not waits and call('HEXISTS', P .. 'run', one) == 0 then
            waits = one
        end
    end
    return found, waits
end

-- Whatever this message had been merged into, or was overtaken by, says nothing of it any more.
local function stands_for_itself(id)
    call('HDEL', P .. 'mg', id)
    call('ZREM', P .. 'mgx', id)
end

-- What runs with a unique key has older arguments than this one from now on.
local function overtake(form, id)
    stands_for_itself(id)
    for _, one in ipairs(form.debounce > 0 and (holders_of(form.route[UNIQUE])) or {}) do
        if one ~= id and call('HEXISTS', P .. 'run', one) == 1 then
            call('HSET', P .. 'mg', one, id)
            call('ZADD', P .. 'mgx', now + FORGET_MERGED, one)
        end
    end
end

local function ttl_of(queue, own)
    if own >= 0 then
        return own
    end
    return (tonumber(call('HGET', P .. 'q:' .. queue, 'ttl')) or -1)
end

-- flow.limit.grown, of newer arguments of `size` bytes in the place of `instead`.
local function outgrows(form, size, instead)
    local before, most = behind[form.queue] or 0, form.most_bytes
    local rest = form.size + before - instead
    if form.sheds or (size <= instead and before == 0) or rest + size <= most then
        return false
    end
    return form.flags ~= CHILD or (rest > most and rest + size > most + math.ceil(most / SHARE))
end

-- Newer arguments take the place of a message that waits, if they fit.
local function merge(holder, form, id, body)
    local m, x = opened(call('HGET', P .. 'm', holder), holder), history(call('HGET', P .. 'x', holder))
    if m.route[QUEUE] ~= form.queue or m.route[TASK] ~= form.route[TASK] then
        return 'd' .. holder
    end
    local instead = form.bounded and form.most_bytes >= 0 and call('HSTRLEN', P .. 'b', holder)
    if instead then
        local never = #body > form.most_bytes
        if never or outgrows(form, #body, instead) then
            return full(form, never, #body, instead)
        end
    end
    local tried = x[ATTEMPT] > 0
    if tried then -- what was tried were other arguments
        x[ATTEMPT], x[LOST], x[UNKNOWN], m.created = 0, 0, -1, now
        call('HDEL', P .. 'f', holder)
        call('HDEL', P .. 'p', holder)
    end
    local parked = not call('ZSCORE', P .. 'due', holder) and is_shut(closed(), form.queue, lane_of(m, x), m.route[TASK], m.route[KEY])
    leave(holder, m, x)
    call('HSET', P .. 'b', holder, body)
    m.headers = form.headers
    local ttl = ttl_of(form.queue, form.ttl)
    m.expires = ttl < 0 and -1 or now + ttl
    if parked then
        enter_ready(holder, m, x)
    else
        x[CAUSE] = ''
        local due = now + form.debounce
        if form.max_wait >= 0 then
            due = math.min(due, m.created + form.max_wait)
        end
        enter_scheduled(holder, m, x, due)
    end
    if m.expires >= 0 then
        call('ZADD', P .. 'exp', m.expires, holder)
    end
    call('HSET', P .. 'm', holder, sealed(m))
    call('HSET', P .. 'x', holder, cmsgpack.pack(x))
    stands_for_itself(holder)
    call('HSET', P .. 'mg', id, holder)
    call('ZADD', P .. 'mgx', now + FORGET_MERGED, id)
    if form.sheds and instead and #body > instead then
        shed(form.queue, holder)
    end
    return 'm' .. holder
end

-- One that waits and is too late to start holds no unique key any more; whether that is so.
local function is_freed(id)
    local m = opened(call('HGET', P .. 'm', id), id)
    if m.expires < 0 or m.expires > now then
        return false
    end
    free_unique(id, m)
    m.unique, m.route[UNIQUE] = 0, nil
    rewrite(id, m)
    return true
end

-- The answer for one whose unique key is taken, or which was merged before; nil if it may come in.
local function taken(form, id, body)
    local unique = form.route[UNIQUE]
    if form.debounce > 0 then
        local merged = call('HGET', P .. 'mg', id)
        if merged then -- tried again: what came after it must not be undone
            return 'm' .. merged
        end
    end
    local holders, waits = holders_of(unique)
    if #holders == 0 or (form.debounce > 0 and not waits) then
        return nil
    end
    local merged = form.debounce > 0 and merge(waits, form, id, body)
    if merged and merged ~= 'd' .. waits then
        return merged
    end
    if waits and is_freed(waits) then
        return taken(form, id, body)
    end
    return 'd' .. (waits or holders[1])
end
