-- paid: what meters have let through, once they bound something else: `flow.grant.kept`; -1 for what is not bound.
local function filled(rate, burst)
    return burst < 0 and 0.1 + 1 / rate or math.max(burst, 1) / rate -- 0.1: flow.grant.LATE
end

local function kept(ahead, rate, burst, new_rate, new_burst)
    if new_rate <= 0 or rate <= 0 then
        return new_rate <= 0 and 0 or ahead
    end
    local full = filled(rate, burst)
    return math.min(ahead, full) * filled(new_rate, new_burst) / full + math.max(0, ahead - full) * rate / new_rate
end

local function keep(name, rate, burst, new_rate, new_burst)
    local tat = (tonumber(call('HGET', P .. 'mp', name)) or 0)
    if tat > now then
        call('HSET', P .. 'mp', name, text(now + kept(tat - now, rate, burst, new_rate, new_burst)))
    end
end
