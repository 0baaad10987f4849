--#use base count sound message tell gates lanes meters place ends dead ripen
-- tidy: most to do, end of what expired, seconds that it is kept, share of the usual ends to forget before their time
-- ('0', unless memory is short) -> how many ends are forgotten, and messages expired.
local limit = tonumber(ARGV[3])
even_if_full()
promote(limit)
local done = expire(limit, ARGV[4], tonumber(ARGV[5]))

local ids = call('ZRANGEBYSCORE', P .. 'keep', '-inf', now, 'LIMIT', 0, limit - done)
if #ids > 0 then
    for _, name in pairs(NAMES) do
        many('ZREM', P .. 'odd:' .. name, ids)
    end
    many('ZREM', P .. 'keep', ids)
    forget(ids)
    done = done + #ids
end

-- From the oldest: those behind one that has still time to go were kept for as long, and are younger.
for _, state in ipairs({DONE, CANCELLED, EXPIRED, DISCARDED}) do
    local key, over = P .. 'ends:' .. NAMES[state], false
    while done < limit and not over do
        local oldest, gone = call('ZRANGE', key, 0, math.min(1000, limit - done) - 1), {}
        for n, packed in ipairs(fetch(P .. 'e', oldest)) do
            if not is_end(packed) or select(3, struct.unpack(END, packed)) <= now then
                gone[#gone + 1] = oldest[n]
            else
                over = true
                break
            end
        end
        over = over or #oldest == 0 or #gone == 0
        if #gone > 0 then
            many('ZREM', key, gone)
            forget(gone)
            done = done + #gone
        end
    end
end

-- Memory is short: what has ended goes first.
for _, state in ipairs({DONE, CANCELLED, EXPIRED, DISCARDED}) do
    local key = P .. 'ends:' .. NAMES[state]
    local most = math.min(BITE, math.floor(call('ZCARD', key) * tonumber(ARGV[6])))
    local gone = most > 0 and call('ZRANGE', key, 0, most - 1) or {}
    many('ZREM', key, gone)
    forget(gone)
    done = done + #gone
end

local merged = call('ZRANGEBYSCORE', P .. 'mgx', '-inf', now, 'LIMIT', 0, limit)
if #merged > 0 then
    many('HDEL', P .. 'mg', merged)
    many('ZREM', P .. 'mgx', merged)
end
for _, name in ipairs(call('HKEYS', P .. 'gates')) do
    local gate = cmsgpack.unpack(call('HGET', P .. 'gates', name))
    if gate[6] >= 0 and gate[6] <= now then
        call('HDEL', P .. 'gates', name)
        call('SREM', P .. 'ag', name)
    end
end
for _, name in ipairs(call('HLEN', P .. 'mp') <= limit and call('HKEYS', P .. 'mp') or {}) do
    if tonumber(call('HGET', P .. 'mp', name)) < math.floor(now / (window_of(name) or 1)) * (window_of(name) or 1) then
        call('HDEL', P .. 'mp', name) -- all is paid for
    end
end
local watched = call('HGETALL', P .. 'watched')
for at = 1, #watched, 2 do
    if tonumber(watched[at + 1]) <= now then
        call('HDEL', P .. 'watched', watched[at])
    end
end
return done
