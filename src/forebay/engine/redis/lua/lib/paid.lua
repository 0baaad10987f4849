-- paid: what meters have let through, once they bound something else: `flow.grant.kept`; -1 for what is not bound.
local function filled(rate, burst)
    return burst < 0 and 0.1 + 1 / rate or math.max(burst, 1) / rate -- 0.1: flow.grant.LATE
end

local function kept(rate, burst, new_rate, new_burst)
    if new_rate <= 0 or rate <= 0 then
        return new_rate <= 0 and 0 or 1
    end
    return filled(new_rate, new_burst) / filled(rate, burst)
end

local function keep(name, part)
    local tat = (tonumber(call('HGET', P .. 'mp', name)) or 0)
    if tat > now then
        call('HSET', P .. 'mp', name, text(now + (tat - now) * part))
    end
end
