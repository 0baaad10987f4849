--#use base
-- marked: route, id ... -> those that have come by it, and are marked still.
local answer = {}
for at = 4, #ARGV do
    if call('SISMEMBER', P .. 'mk:' .. ARGV[3], ARGV[at]) == 1 then
        answer[#answer + 1] = ARGV[at]
    end
end
return answer
