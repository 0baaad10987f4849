-- fair: how one lease takes from a fair queue; after `take` and `round`, for `lease` alone.
-- {ns}:fs:<queue>  zset  slow lanes that wait for room, and stand in {ns}:ln:<queue> as asleep: by turn
local function make_taker()
    -- Lanes that a lease looks at beyond those that it is asked for, how often it does so; idle ones that it looks at to forget them.
    local kept, turns = shares(), rounds()
    local SPARE, PAGES, LATELY, FORGET, WAKE = 16, 20, 60, 32, 1000

    -- Slots of the workers that serve a queue, and of this one among them.
    local function slots_of(queue, worker)
        local sum, mine = 0, 0
        local names = call('ZRANGEBYSCORE', P .. 'alive', '(' .. text(now), '+inf')
        for n, row in ipairs(fetch(P .. 'w', names)) do
            local fine, beat = pcall(cmsgpack.unpack, string.sub(row or '', 17))
            for _, name in ipairs(fine and type(beat) == 'table' and type(beat.queues) == 'table' and beat.queues or {}) do
                if name == queue then
                    local slots = tonumber(beat.concurrency) or 0
                    sum, mine = sum + slots, names[n] == worker and slots or mine
                    break
                end
            end
        end
        return sum, mine
    end

    -- What idle lanes owe is forgotten after a while.
    local function forget_idle(queue)
        for _, lane in ipairs(call('ZRANGEBYSCORE', P .. 'fi:' .. queue, '-inf', now - LATELY, 'LIMIT', 0, FORGET)) do
            if call('ZSCORE', P .. 'ln:' .. queue, lane) then
                call('ZADD', P .. 'fi:' .. queue, now, lane)
            else
                call('ZREM', P .. 'fi:' .. queue, lane)
                call('HDEL', P .. 'fl:' .. queue, lane)
            end
        end
    end

    -- What the lanes of a queue have in common, read once in a lease; lanes whose time has come stand among the others.
    local commons = {}
    local function common_of(queue, worker)
        if commons[queue] then
            return commons[queue]
        end
        local known = call('HMGET', P .. 'fq:' .. queue, 'clock', 'usual', 'recent', 'needed')
        local common = {
            clock = (tonumber(known[1]) or now), usual = tonumber(known[2]), running = {},
            recent = known[3] and cmsgpack.unpack(known[3]) or {}, weights = kept.weights_of(queue),
            needed = tonumber(known[4]) or 0,
        }
        commons[queue], common.slots, common.own = common, slots_of(queue, worker)
        local busy = call('HGETALL', P .. 'fb:' .. queue)
        for at = 1, #busy, 2 do
            common.running[busy[at]] = kept.opened(busy[at + 1])
        end
        for _, lane in ipairs(call('ZRANGEBYSCORE', P .. 'ln:' .. queue, 0, now, 'LIMIT', 0, WAKE)) do
            stand(queue, lane, true)
        end
        local round = call('EXISTS', P .. 'fs:' .. queue) == 1 and turns.new(common, {}, 0)
        local room = round and math.min(WAKE, round.most_slow - round.slow) or 0
        for _, lane in ipairs(room > 0 and call('ZRANGE', P .. 'fs:' .. queue, 0, room - 1) or {}) do
            call('ZREM', P .. 'fs:' .. queue, lane)
            if tonumber(call('ZSCORE', P .. 'ln:' .. queue, lane) or 0) >= ASLEEP then
                stand(queue, lane, true)
            end
        end
        forget_idle(queue)
        return common
    end

    -- Lanes from this place on that hold something, and their accounts; how many places that are; nil if there are none.
    local function page_of(queue, common, from, size, seen)
        local lanes, waiting = {}, {}
        local line = call('ZRANGEBYSCORE', P .. 'ln:' .. queue, '-inf', '(0', 'LIMIT', from, size)
        local stay = #line > 0 and #line or nil
        for _, lane in ipairs(line) do
            if call('EXISTS', P .. 'r:' .. queue .. ':' .. lane) == 0 then
                call('ZREM', P .. 'ln:' .. queue, lane)
                stay = stay - 1
            elseif not seen[lane] then
                seen[lane], lanes[#lanes + 1] = true, lane
            end
        end
        for n, packed in ipairs(#lanes > 0 and call('HMGET', P .. 'fl:' .. queue, unpack(lanes)) or {}) do
            waiting[lanes[n]] = common.running[lanes[n]] or (packed and kept.opened(packed))
                or {turn = common.clock, owed = 0, busy = 0}
        end
        return waiting, stay
    end

    -- What a round has changed: turns, and which slow lanes wait for room. How many of them stand in the line no more.
    local function keep_page(queue, round, waiting, given)
        local gone, common = 0, round.common
        for lane, account in pairs(waiting) do
            local at = call('ZSCORE', P .. 'ln:' .. queue, lane)
            if given[lane] then
                common.running[lane] = account
                kept.keep(queue, lane, account)
            end
            if not at or tonumber(at) >= 0 then
                gone = gone + 1
            elseif round.slow >= round.most_slow and turns.is_slow(account, common) then
                call('ZADD', P .. 'ln:' .. queue, ASLEEP, lane)
                call('ZADD', P .. 'fs:' .. queue, text(account.turn), lane)
                gone = gone + 1
            end
        end
        return gone
    end

    -- Up to so many of a fair queue; how many, and whether nothing more of it may start now.
    local function take_fair(place, asked)
        local queue, worker, got, from, moves = place[1], ARGV[3], 0, 0, lot.moves
        local common, split, seen, given = common_of(queue, worker), split_of(queue), {}, {}
        local n = turns.at_once(common, asked, (tonumber(call('HGET', P .. 'holds', worker)) or 0) + #lot.ids)
        for _ = 1, PAGES do
            local waiting, stay = page_of(queue, common, from, math.min(BITE, n - got + SPARE), seen)
            if n <= got or not stay then
                break
            end
            local round = turns.new(common, waiting, n - got)
            local lane, account = turns.next_of(round)
            while lane do
                local key = P .. 'r:' .. queue .. ':' .. lane
                if take_bound({queue, lane, key, true}, 1) == 1 then
                    call('HSET', P .. 'fr:' .. queue, lot.ids[#lot.ids], lane)
                    got, given[lane] = got + 1, true
                    local more = call('EXISTS', key) == 1
                    turns.give(round, lane, account, more)
                    if not more then
                        call('ZREM', P .. 'ln:' .. queue, lane)
                    end
                end
                lane, account = nil, nil
                if got < n then
                    lane, account = turns.next_of(round)
                end
            end
            from = from + stay - keep_page(queue, round, waiting, given)
        end
        for lane in pairs(given) do
            split.clock = common.clock
            if tonumber(call('ZSCORE', P .. 'ln:' .. queue, lane) or 0) < 0 then -- its place was kept for what pages there are
                stand(queue, lane, true)
            end
        end
        if got > 0 then
            local recent, needed = cmsgpack.pack(common.recent), text(common.needed)
            call('HSET', P .. 'fq:' .. queue, 'clock', text(common.clock), 'recent', recent, 'needed', needed)
        end
        return got, got < asked and moves == lot.moves
    end

    return take_fair
end

local taker
local function take_fair(place, asked)
    taker = taker or make_taker()
    return taker(place, asked)
end
