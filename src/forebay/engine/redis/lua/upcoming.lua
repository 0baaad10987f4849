--#use base gates
-- upcoming: time of the last look ('' for now), queue ... -> seconds until time alone changes something: a message is due, a
-- gate opens, a meter lets more through; '' if nothing will. What has come since that look has been seen by nobody.
local seen = math.min(now, tonumber(ARGV[3]) or now)
local first = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')[2]
local at = first and tonumber(first)
for _, gate in ipairs(closed() or {}) do
    if gate[6] >= 0 and (not at or gate[6] < at) then
        at = gate[6]
    end
end
for n = 4, #ARGV do
    local lane = call('ZRANGEBYSCORE', P .. 'ln:' .. ARGV[n], '(' .. text(seen), '(1e15', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    local go = (tonumber(call('HGET', P .. 'q:' .. ARGV[n], 'go')) or 0)
    for _, time in ipairs({tonumber(lane or 0), go}) do
        if time > seen and (not at or time < at) then
            at = time
        end
    end
end
return at and text(at - now) or ''
