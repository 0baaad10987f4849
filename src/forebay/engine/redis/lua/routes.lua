--#use base
-- routes: -> route, where it leads, how much stands aside for it, how much is marked, of those that have something.
local answer = {}
for _, route in ipairs(call('HKEYS', P .. 'mv')) do
    local aside, marked = call('ZCARD', P .. 'as:' .. route), call('SCARD', P .. 'mk:' .. route)
    if aside + marked > 0 then
        answer[#answer + 1] = {route, call('HGET', P .. 'mva', route) or '', aside, marked}
    end
end
return answer
