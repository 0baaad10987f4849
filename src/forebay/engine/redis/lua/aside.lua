--#use base
-- aside: route, place, how many -> the place of the last (-1: nothing is left), then id and parts of each behind it.
local rows = call('ZRANGEBYSCORE', P .. 'as:' .. ARGV[3], '(' .. ARGV[4], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[5])
local answer = {#rows < 2 * tonumber(ARGV[5]) and -1 or rows[#rows]}
for at = 1, #rows, 2 do
    answer[#answer + 1] = rows[at]
    answer[#answer + 1] = call('HGET', P .. 'ab:' .. ARGV[3], rows[at])
end
return answer
