--#use base count sound message tell gates lanes meters place ends
-- redrive: id ... -> how many dead ones are ready again, at the end of their line; those whose unique key a live
-- message holds stay as they are.
local count = 0
even_if_full()
for at = 3, #ARGV do
    local id = ARGV[at]
    local packed, head = call('HGET', P .. 'e', id), call('HGET', P .. 'm', id)
    if is_end(packed) and is_whole(head) and string.byte(packed, 1) == DEAD then
        local m, x = opened(head), history(call('HGET', P .. 'x', id))
        local queue, unique = m.route[QUEUE], m.route[UNIQUE]
        if not unique or call('HEXISTS', P .. 'u', unique) == 0 then
            m.seq, m.created, m.expires, m.newest = number('seq', 1), now, -1, false
            call('HSET', P .. 'm', id, sealed(m))
            call('ZREM', P .. 'ends:dead', id)
            for _, name in ipairs({'e', 'f', 'p', 'x'}) do
                call('HDEL', P .. name, id)
            end
            if x[MOVED] then
                call('HSET', P .. 'x', id, cmsgpack.pack({0, 0, -1, 0, -1, '', x[MOVED]}))
            end
            if unique then
                call('HSET', P .. 'u', unique, id)
            end
            call('ZADD', P .. 'a:' .. queue, m.seq, id)
            x[DUE] = -1
            enter_ready(id, m, x)
            tally(queue, 'dead', -1)
            count = count + 1
        end
    end
end
return count
