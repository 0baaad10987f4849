--#use base
-- standing: route, id ... -> those that stand aside for it.
local answer = {}
for at = 4, #ARGV do
    if call('HEXISTS', P .. 'ab:' .. ARGV[3], ARGV[at]) == 1 then
        answer[#answer + 1] = ARGV[at]
    end
end
return answer
