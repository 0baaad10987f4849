-- round: whose turn it is in a fair queue; the twin of `flow.fair.Round`; after `shares`, for `lease` alone.
local function rounds()
    local weight_of = shares().weight_of
    local GUESS, SLOW, SHORT, PART, LATELY, RECENT = 0.1, 8, 0.02, 4, 60, 8

    local function is_slow(account, common)
        return account.mean and common.usual and account.mean >= math.max(SHORT, SLOW * common.usual)
    end

    -- A round: `waiting` are lanes of which something may start. See `flow.fair.Round`.
    local function new_round(common, waiting, asked)
        local one = {common = common, busy = 0, slow = 0, total = 0, line = {}, weights = {}, n = 0}
        local function count(lane)
            if not one.weights[lane] then
                one.weights[lane] = weight_of(lane, common.weights)
                one.total, one.n = one.total + one.weights[lane], one.n + 1
            end
        end
        for lane, account in pairs(common.running) do
            count(lane)
            one.busy = one.busy + account.busy
            one.slow = one.slow + (is_slow(account, common) and account.busy or 0)
        end
        for _, recent in ipairs(common.recent) do
            if now - recent[2] > -1 and now - recent[2] < LATELY then
                count(recent[1])
            end
        end
        for lane, account in pairs(waiting) do
            count(lane)
            account.turn = math.max(account.turn, common.clock)
            one.line[#one.line + 1] = {account.turn, lane, account}
        end
        table.sort(one.line, function(this, other) -- the first one at the end
            return this[1] > other[1] or (this[1] == other[1] and this[2] > other[2])
        end)
        one.slots = math.max(1, common.slots > 0 and common.slots or one.busy + asked)
        one.most = (one.n == 1 or one.slots == 1) and 2 ^ 31 or one.slots - math.max(1, math.floor(one.slots / PART))
        return one
    end

    -- The lane whose turn it is, and its account; nil if none may start anything.
    local function next_of(round)
        while #round.line > 0 do
            local _, lane, account = unpack(table.remove(round.line))
            local share = math.ceil(round.slots * round.weights[lane] / round.total - 1e-9)
            local may = account.busy < math.max(1, share) or round.busy < round.most
            if is_slow(account, round.common) then
                may = round.slow < round.most
            end
            if may then
                return lane, account
            end
        end
    end

    -- One of it starts.
    local function give(round, lane, account, more)
        local common, recent = round.common, {{lane, now}}
        round.busy = round.busy + 1
        round.slow = round.slow + (is_slow(account, common) and 1 or 0)
        for _, one in ipairs(common.recent) do
            if one[1] ~= lane and #recent < RECENT then
                recent[#recent + 1] = one
            end
        end
        common.clock, common.recent = math.max(common.clock, account.turn), recent
        local expected = account.mean or common.usual or GUESS
        account.turn = math.max(account.turn, common.clock) + expected / round.weights[lane]
        account.busy, account.owed = account.busy + 1, account.owed + expected
        if more then
            local low, high = 1, #round.line + 1
            while low < high do
                local middle = math.floor((low + high) / 2)
                local other = round.line[middle]
                if other[1] > account.turn or (other[1] == account.turn and other[2] > lane) then
                    low = middle + 1
                else
                    high = middle
                end
            end
            table.insert(round.line, low, {account.turn, lane, account})
        end
    end

    -- `flow.fair.at_once`: nothing ahead of the free slots of a worker, unless all that runs is short.
    local function at_once(common, asked, held)
        local short = true
        for _, account in pairs(common.running) do
            short = short and account.mean and account.mean < SHORT
        end
        if common.own <= 0 or short then
            return asked
        end
        return math.max(0, math.min(asked, common.own - held))
    end

    return {is_slow = is_slow, new = new_round, next_of = next_of, give = give, at_once = at_once}
end
