--#use base count sound message tell gates lanes meters place ends workers
-- cancel: the tail of its end, seconds that it is kept, '1' to leave those alone that were asked before, id ...
-- -> for each: '' unknown, 'cancelled', 'running' (it is asked to stop), 'asked' (it was before), or as what it ended.
local answers, ended = {}, {}
even_if_full()
for at = 6, #ARGV do
    local id, answer = ARGV[at], ''
    local head, packed = call('HGET', P .. 'm', id), call('HGET', P .. 'e', id)
    local lease = call('HGET', P .. 'run', id)
    if packed then
        answer = NAMES[string.byte(packed, 1) or -1] or ''
    elseif lease then
        local worker = string.sub(lease, 22)
        answer = 'running'
        if call('SADD', P .. 'ask:' .. worker, id) == 0 and ARGV[5] == '1' then
            answer = 'asked'
        end
        call('PUBLISH', P .. 'news', '')
    elseif head then
        local m, x = opened(head, id), history(call('HGET', P .. 'x', id))
        leave(id, m, x)
        if not is_whole(head) then
            call('HSET', P .. 'm', id, sealed(m))
        end
        end_live(id, m, x, CANCELLED, '', ARGV[3], tonumber(ARGV[4]))
        ended[#ended + 1] = id
        answer = 'cancelled'
    end
    answers[#answers + 1] = answer
end
announce(ended)
return answers
