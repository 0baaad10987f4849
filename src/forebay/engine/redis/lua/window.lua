--#use base count sound message tell gates lanes meters place ends dead ripen story
-- window: what of ('live', 'running', or a state that is an end), queue ('' for all), number, how many, '1' for the
-- newest first -> the stories of the next so many after that number, or before it, in order; the last number.
local what, queue, after, count, newest = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7] == '1'
local keys, found = {}, {}
if what == 'live' then
    for _, name in ipairs(queue ~= '' and {queue} or call('SMEMBERS', P .. 'queues')) do
        keys[#keys + 1] = P .. 'a:' .. name
        keys[#keys + 1] = P .. 'd:' .. name
    end
elseif what == 'ends' then
    for _, name in pairs(NAMES) do
        keys[#keys + 1] = P .. 'ends:' .. name
        keys[#keys + 1] = P .. 'odd:' .. name
    end
else
    keys = {P .. 'ends:' .. what, P .. 'odd:' .. what}
end
for _, key in ipairs(keys) do
    local rows
    if newest then
        rows = call('ZREVRANGEBYSCORE', key, after == '' and '+inf' or '(' .. after, '-inf', 'WITHSCORES', 'LIMIT', 0, count)
    else
        rows = call('ZRANGEBYSCORE', key, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, count)
    end
    for at = 1, #rows, 2 do
        found[#found + 1] = {tonumber(rows[at + 1]), rows[at]}
    end
end
table.sort(found, function(one, other)
    if newest then
        return one[1] > other[1]
    end
    return one[1] < other[1]
end)
local ids, last = {}, after
for n = 1, math.min(count, #found) do
    ids[n], last = found[n][2], found[n][1]
end
local answer = stories(ids)
answer[#answer + 1] = type(last) == 'number' and text(last) or last
return answer
