--#use base
-- steered: -> name, generation, body of each row.
local answer, rows = {}, call('HGETALL', P .. 'steer')
for at = 1, #rows, 2 do
    local row = cmsgpack.unpack(rows[at + 1])
    answer[#answer + 1] = rows[at]
    answer[#answer + 1] = row[1]
    answer[#answer + 1] = row[2]
end
return answer
