--#use base count sound message tell gates lanes meters
-- charge_meter: name, cost, calls: what has passed it has cost that much more, or less; budgets beside it too, those that
-- count messages for so many more calls (flow.grant.charged).
local name, cost, calls = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local names = beside_of(name)
names[#names + 1] = name
even_if_full()
for _, one in ipairs(names) do
    local meter, _, by_calls = meter_of(one), window_of(one)
    if meter and meter.rate then
        local at, more = terms(meter, 1), by_calls and calls or cost
        local least = more < 0 and math.min(meter.tat, at) or 0
        local tat = math.max((more < 0 and meter.tat or math.max(meter.tat, at)) + more / meter.rate, least)
        call('HSET', P .. 'mp', one, text(tat))
    end
end
if cost < 0 then
    for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
        wake_all(queue)
    end
end
return 1
