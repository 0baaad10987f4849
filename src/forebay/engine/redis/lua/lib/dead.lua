-- dead: what nobody can read, as somebody else has written over it, is a dead letter; after `ends`.
-- What can be kept of it is kept: its id, its body, and what of its head and history is sound. It holds up nobody.
local function is_readable(head, past)
    return is_whole(head) and (not past or read_history(past))
end

local function set_aside(id, head, past, queue)
    for _, name in ipairs({'exp', 'due'}) do
        call('ZREM', P .. name, id)
    end
    local m, x, why = opened(head, id, queue), history(past), 'its head'
    queue = m.route[QUEUE]
    for _, name in ipairs({'a:', 'd:', 'bk:'}) do
        call('ZREM', P .. name .. queue, id)
    end
    if queue == '' or not (head or call('HEXISTS', P .. 'b', id) == 1) then
        if head then
            redis.log(redis.LOG_WARNING, 'forebay: ' .. P .. 'm: ' .. id .. ' is not readable, and of no queue: removed')
        end
        forget({id})
        return
    end
    call('HSET', P .. 'm', id, sealed(m))
    if past and not read_history(past) then
        call('HSET', P .. 'x', id, cmsgpack.pack(x))
        why = is_whole(head) and 'its history' or why
    end
    end_live(id, m, x, DEAD, '', '\146' .. cmsgpack.pack('it is not readable: somebody else wrote over ' .. why) .. '\192')
    announce({id})
end
