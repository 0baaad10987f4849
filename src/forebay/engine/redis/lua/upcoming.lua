--#use base gates
-- upcoming: -> seconds until time alone changes something: a message is due, a gate opens; '' if nothing will.
local first = call('ZRANGE', P .. 'due', 0, 0, 'WITHSCORES')[2]
local at = first and tonumber(first)
for _, gate in ipairs(closed() or {}) do
    if gate[6] >= 0 and (not at or gate[6] < at) then
        at = gate[6]
    end
end
return at and text(at - now) or ''
