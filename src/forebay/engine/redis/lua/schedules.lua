--#use base
-- schedules: -> time, then name, row and form of each.
local answer, rows = {text(now)}, call('HGETALL', P .. 'sched')
for at = 1, #rows, 2 do
    answer[#answer + 1] = rows[at]
    answer[#answer + 1] = rows[at + 1]
    answer[#answer + 1] = call('HGET', P .. 'form', rows[at])
end
return answer
