-- shares: runs of fair queues that are over, counted once at the end of a script: `flow.fair.ended` and `usual`; after `meters`.
-- Functions cost each script that defines them, so these are made where a queue is fair. `over` is what `run_over` was told.
-- {ns}:fr:<queue>  hash  id that runs -> its lane
-- {ns}:fi:<queue>  zset  lanes of which nothing runs and whose account is remembered: since when
local made, over = nil, {}
local function make_shares()
    local NEWEST, BELOW, STEP, LEAST, LONGEST = 1 / 8, 0.2, 0.2, 1e-9, 1e9

    local function run_over(queue, id, took)
        local lane = call('HGET', P .. 'fr:' .. queue, id)
        if not lane then
            return
        end
        call('HDEL', P .. 'fr:' .. queue, id)
        over[queue] = over[queue] or {}
        local one = over[queue][lane] or {n = 0, times = {}}
        over[queue][lane] = one
        one.n = one.n + 1
        if took > 0 and took < LONGEST then
            one.times[#one.times + 1] = took
        end
    end

    -- How much of the workers a lane gets: `flow.fair.weight`.
    local function weight_of(lane, weights)
        local key = string.match(lane, '|key:(.*)$')
        return key and weights[key] or 1
    end

    local function weights_of(queue)
        local packed = call('HGET', P .. 'q:' .. queue, 'weights')
        return packed and cmsgpack.unpack(packed) or {}
    end

    local function opened_account(packed)
        local turn, owed, mean, busy = struct.unpack(ACCOUNT, packed)
        return {turn = turn, owed = owed, mean = mean >= 0 and mean or nil, busy = busy}
    end

    local function keep_account(queue, lane, one)
        local packed = struct.pack(ACCOUNT, one.turn, one.owed, one.mean or -1, one.busy)
        if one.busy > 0 then
            call('HSET', P .. 'fb:' .. queue, lane, packed)
            call('HDEL', P .. 'fl:' .. queue, lane)
            call('ZREM', P .. 'fi:' .. queue, lane)
        else
            call('HDEL', P .. 'fb:' .. queue, lane)
            call('HSET', P .. 'fl:' .. queue, lane, packed)
            call('ZADD', P .. 'fi:' .. queue, now, lane)
        end
    end

    -- `flow.fair.ended`
    local function run_ended(account, share, n, times)
        local sum, mean = 0, account.mean
        n = math.min(n, account.busy)
        local charged = account.busy > 0 and account.owed * n / account.busy or 0
        for _, took in ipairs(times) do
            sum = sum + took
        end
        if #times > 0 then
            local lately = sum / #times
            mean = mean and lately + (mean - lately) * (1 - NEWEST) ^ #times or lately
        end
        local busy = account.busy - n
        return {turn = account.turn + (sum - charged) / share, owed = busy > 0 and account.owed - charged or 0, mean = mean, busy = busy}
    end

    -- `flow.fair.usual`
    local function usual_after(usual, times)
        local below, first = 0, times[1]
        for _, took in ipairs(times) do
            first, below = math.min(first, took), below + ((usual and took < usual) and 1 or 0)
        end
        if not usual then
            return math.max(first, LEAST)
        end
        return math.max(usual * math.exp(math.max(-1, math.min(1, STEP * (BELOW * #times - below)))), LEAST)
    end

    -- What is idle and owes nothing is forgotten.
    local function keep_turns()
        for queue, lanes in pairs(over) do
            local weights, times = weights_of(queue), {}
            local clock = (tonumber(call('HGET', P .. 'fq:' .. queue, 'clock')) or now)
            for lane, one in pairs(lanes) do
                local packed = call('HGET', P .. 'fb:' .. queue, lane)
                if packed then
                    local after = run_ended(opened_account(packed), weight_of(lane, weights), one.n, one.times)
                    local at = call('ZSCORE', P .. 'ln:' .. queue, lane)
                    keep_account(queue, lane, after)
                    if at and tonumber(at) < 0 then
                        stand(queue, lane, true)
                    elseif not at and after.busy == 0 and after.turn <= clock then
                        call('HDEL', P .. 'fl:' .. queue, lane)
                        call('ZREM', P .. 'fi:' .. queue, lane)
                    end
                end
                for _, took in ipairs(one.times) do
                    times[#times + 1] = took
                end
            end
            if #times > 0 then
                local usual = tonumber(call('HGET', P .. 'fq:' .. queue, 'usual'))
                call('HSET', P .. 'fq:' .. queue, 'usual', text(usual_after(usual, times)))
            end
            stir(queue)
        end
    end

    return {
        run_over = run_over, keep_turns = keep_turns, weight_of = weight_of, weights_of = weights_of, opened = opened_account,
        keep = keep_account, ended = run_ended, usual = usual_after,
    }
end

local function shares()
    made = made or make_shares()
    return made
end

-- One of a queue runs no more, and ran for so many seconds; 0 if it did not.
local function run_over(queue, id, took)
    local split = split_of(queue)
    if split and split.fair then
        shares().run_over(queue, id, took)
    end
end

-- Write down what `run_over` was told.
local function keep_turns()
    if made then
        made.keep_turns()
    end
end
