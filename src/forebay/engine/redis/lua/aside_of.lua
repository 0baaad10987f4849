--#use base
-- aside_of: route, id ... -> id and parts of those that stand aside for it, in the order in which they left.
local found = {}
for at = 4, #ARGV do
    local place = call('ZSCORE', P .. 'as:' .. ARGV[3], ARGV[at])
    if place then
        found[#found + 1] = {tonumber(place), ARGV[at]}
    end
end
table.sort(found, function(one, other)
    return one[1] < other[1]
end)
local answer = {-1}
for _, one in ipairs(found) do
    answer[#answer + 1] = one[2]
    answer[#answer + 1] = call('HGET', P .. 'ab:' .. ARGV[3], one[2])
end
return answer
