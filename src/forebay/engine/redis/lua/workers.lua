--#use base
-- workers: -> time, then worker, until when its lease holds, since when it is there and its last beat, for each.
local answer, rows = {text(now)}, call('ZRANGE', P .. 'alive', 0, -1, 'WITHSCORES')
for at = 1, #rows, 2 do
    local row = call('HGET', P .. 'w', rows[at])
    if row then
        answer[#answer + 1] = rows[at]
        answer[#answer + 1] = rows[at + 1]
        answer[#answer + 1] = row
    end
end
return answer
