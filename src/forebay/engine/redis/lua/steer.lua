--#use base
-- steer: name, generation, body of each -> 1 put, 0 it has another generation by now. Without a body: removed.
-- {ns}:steer  hash  name -> generation, body
even_if_full()
local answers = {}
for at = 3, #ARGV, 3 do
    local name, generation, body = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2]
    local packed = call('HGET', P .. 'steer', name)
    local there = packed and cmsgpack.unpack(packed)[1] or 0
    answers[#answers + 1] = there == generation and 1 or 0
    if there == generation then
        if body == '' then
            call('HDEL', P .. 'steer', name)
        else
            call('HSET', P .. 'steer', name, cmsgpack.pack({generation + 1, body}))
        end
    end
end
return answers
