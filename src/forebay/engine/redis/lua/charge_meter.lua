--#use base message tell gates lanes meters
-- charge_meter: name, cost: what has passed it has cost that much more, or less; budgets beside it too (flow.grant.charged).
local name, cost = ARGV[3], tonumber(ARGV[4])
local beside = call('HGET', P .. 'mb', name)
local names = beside and cmsgpack.unpack(beside) or {}
names[#names + 1] = name
even_if_full()
for _, one in ipairs(names) do
    local meter, _, calls = meter_of(one), window_of(one)
    if meter and meter.rate and not calls then
        local at = terms(meter, 1)
        local tat = cost < 0 and given_back(meter, -cost) or math.max(meter.tat, at) + cost / meter.rate
        call('HSET', P .. 'mp', one, text(tat))
    end
end
if cost < 0 then
    for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
        wake_all(queue)
    end
end
return 1
