--#use base count sound message tell gates lanes meters clock place ends dead ripen workers sorted strays take whole shares round fair wanted
-- lease: worker, token of this call, limit, turn, lanes that share at a time, most to sweep, caps (lane -> most),
-- end of what expired, seconds it is kept, queue ... -> 0 if the worker has no lease; else
-- time, last number, turn, cancelled ids, ids, heads, bodies, leases, histories.
-- {ns}:tok  hash  worker -> fence and token of its newest leases, so that one whose answer was lost gives it again;
--   several, for those of all its feeds may have gone in one batch
local worker, token, limit = ARGV[3], ARGV[4], tonumber(ARGV[5])
if not lives(worker) then
    return 0
end
local asked = call('SMEMBERS', P .. 'ask:' .. worker)
local turn, visits, sweep = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
if limit <= 0 then
    return {text(now), last_number(), turn, asked, {}, {}, {}, {}, {}}
end
even_if_full()
promote(sweep)
local keep, tail = tonumber(ARGV[11]), ARGV[10]
local expired = expire(sweep, tail, keep)

local function leased(ids, leases)
    return {
        text(now), last_number(), turn, asked, ids, fetch(P .. 'm', ids), fetch(P .. 'b', ids),
        leases, fetch(P .. 'x', ids),
    }
end

if again then -- what the call took whose answer was lost
    local before = call('HGET', P .. 'tok', worker) or ''
    for place = 1, #before, 16 do
        if string.sub(before, place + 8, place + 15) == token then
            local ids, leases, all = {}, {}, call('HGETALL', P .. 'run')
            for at = 1, #all, 2 do
                if string.sub(all[at + 1], 2, 9) == string.sub(before, place, place + 7) then
                    ids[#ids + 1], leases[#leases + 1] = all[at], all[at + 1]
                end
            end
            return leased(ids, leases)
        end
    end
end

local caps = cmsgpack.unpack(ARGV[9])
lot.caps, lot.sweep, lot.tail, lot.keep = caps, sweep, tail, keep
local wanted = new_wanted(12, limit, turn, visits)
local hungry = {}
lot.late = expired >= sweep
local function share_out()
    while #hungry > 0 and #lot.ids < limit do
        local share, still = math.ceil((limit - #lot.ids) / math.min(#hungry, visits)), {}
        for _, place in ipairs(hungry) do
            local n = math.min(share, limit - #lot.ids, not place[4] and caps[place[2]] or share)
            if n > 0 then
                local got, empty = (place[5] or (place[4] and take_bound or take))(place, n)
                turn = wanted.visited(place, turn)
                if not empty then
                    still[#still + 1] = place
                end
            end
        end
        for _, place in ipairs(lot.extra) do
            still[#still + 1] = place
        end
        hungry, lot.extra = still, {}
    end
end

local function fill()
    repeat
        for _, place in ipairs(wanted.more()) do
            hungry[#hungry + 1] = place
        end
        share_out()
    until #lot.ids >= limit or wanted.is_done()
end

local function give()
    fill()
    local heads, pasts, passed_over = heads_of(lot)
    while passed_over > 0 and (#hungry > 0 or not wanted.is_done()) do
        fill()
        heads, pasts, passed_over = heads_of(lot)
    end
    local ids = lot.ids
    if #ids < limit then -- whoever publishes next tells
        local waits = {}
        for at = 12, #ARGV do
            waits[#waits + 1] = ARGV[at]
            waits[#waits + 1] = '1'
        end
        many('HSET', P .. 'hungry', waits)
    end
    if #ids == 0 then
        return leased({}, {})
    end

    if lot.charged then
        call('HSET', KEYS[1], 'charged', text(now))
    end
    local fence = number('fence', 1)
    local usual = {[0] = struct.pack(RUN, 0, fence, 1, now) .. worker, [1] = struct.pack(RUN, 1, fence, 1, now) .. worker}
    local leases, rows = {}, {}
    for n, id in ipairs(ids) do
        local unique = string.byte(heads[n], 1) % 2 -- 2: where it stands
        local lease = usual[unique]
        if pasts[n] then
            local x = history(pasts[n])
            lease = struct.pack(RUN, unique, fence, x[ATTEMPT] + 1, now) .. worker
            if x[DUE] >= 0 then
                call('ZREM', P .. 'bk:' .. select(2, cmsgpack.unpack_one(heads[n], 29))[QUEUE], id)
            end
        end
        leases[n] = lease
        rows[2 * n - 1], rows[2 * n] = id, lease
    end
    many('HSET', P .. 'run', rows)
    count(P .. 'holds', worker, #ids)
    local before = string.sub(call('HGET', P .. 'tok', worker) or '', 1, 16 * 63) -- 64 in all
    call('HSET', P .. 'tok', worker, struct.pack('>I8', fence) .. token .. before)
    if call('EXISTS', P .. 'exp') == 1 then
        many('ZREM', P .. 'exp', ids)
    end
    local rooms, heavy = {}, false
    for queue, n in pairs(lot.counts) do
        tally(queue, 'running', n)
        heavy = weighs(queue) or heavy
        rooms[#rooms + 1] = 'room:' .. queue -- there is room for who waits for some
    end
    announce(rooms)
    for n, id in ipairs(heavy and ids or {}) do
        weigh(select(2, cmsgpack.unpack_one(heads[n], 29))[QUEUE], id, -1)
    end
    return {text(now), last_number(), turn, asked, ids, heads, fetch(P .. 'b', ids), leases, pasts}
end

return safely(give, lot)
