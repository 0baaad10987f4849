--#use base
-- ending: cursor, end of an id -> next cursor ('0' at the end), ids that end so, of some thousand.
local answer, cursor = {}, ARGV[3]
for _ = 1, 10 do
    local step = call('HSCAN', P .. 'm', cursor, 'COUNT', 500)
    cursor = step[1]
    for at = 1, #step[2], 2 do
        if string.sub(step[2][at], -#ARGV[4]) == ARGV[4] then
            answer[#answer + 1] = step[2][at]
        end
    end
    if cursor == '0' then
        break
    end
end
return {cursor, answer}
