-- round: whose turn it is in a fair queue; the twin of `flow.fair.Round`; after `shares`, for `lease` alone.
local function rounds()
    local weight_of = shares().weight_of
    local GUESS, SLOW, SHORT, PART, HALF, SELDOM, LATELY, RECENT = 0.1, 8, 0.02, 4, 2, 50, 60, 8

    local function is_slow(account, common)
        return account.mean and common.usual and account.mean >= math.max(SHORT, SLOW * common.usual)
    end

    -- Slots that are a lane's due, rounded up.
    local function share_of(round, lane)
        return math.max(1, math.ceil(round.slots * round.weights[lane] / round.total - 1e-9))
    end

    -- `flow.fair.counted`: how many of its slots others may not take.
    local function counted(round, lane, account)
        if is_slow(account, round.common) then
            return 0
        end
        return math.min(account.busy, account.mean and share_of(round, lane) or 1)
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
        local part = math.max(1, math.floor(one.slots / PART))
        local kept = math.max(part, math.min(math.floor(one.slots / HALF), math.floor(common.needed) + 1))
        one.most, one.most_slow, one.held = one.slots - part, one.slots - kept, 0
        if one.n == 1 or one.slots == 1 then
            one.most, one.most_slow = 2 ^ 31, 2 ^ 31
        end
        for lane, account in pairs(common.running) do
            one.held = one.held + counted(one, lane, account)
        end
        return one
    end

    -- The lane whose turn it is, and its account; nil if none may start anything.
    local function next_of(round)
        while #round.line > 0 do
            local _, lane, account = unpack(table.remove(round.line))
            local may = account.busy < share_of(round, lane) or round.busy < round.most
            if is_slow(account, round.common) then
                may = round.slow < round.most_slow
            end
            if may then
                return lane, account
            end
        end
    end

    -- One of it starts.
    local function give(round, lane, account, more)
        local common, recent, before = round.common, {{lane, now}}, counted(round, lane, account)
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
        local held = round.held + counted(round, lane, account) - before
        if held > round.held then -- `flow.fair.needed`
            common.needed = held > common.needed and common.needed + 1 or math.max(0, common.needed - 1 / SELDOM)
        end
        round.held = held
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
