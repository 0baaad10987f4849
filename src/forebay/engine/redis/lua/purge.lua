--#use base count sound message tell gates lanes meters place ends
-- purge: seconds that they are kept, then id and the tail of its end each -> how many dead ones are discarded.
local count = 0
even_if_full()
for at = 4, #ARGV, 2 do
    local id = ARGV[at]
    local packed, head = call('HGET', P .. 'e', id), call('HGET', P .. 'm', id)
    if is_end(packed) and head and string.byte(packed, 1) == DEAD then
        local queue, size = opened(head, id).route[QUEUE], select(5, struct.unpack(END, packed))
        call('ZREM', P .. 'ends:dead', id)
        call('HDEL', P .. 'b', id)
        finish(id, DISCARDED, string.sub(packed, 28, 27 + size), ARGV[at + 1], tonumber(ARGV[3]))
        if queue ~= '' then
            tally(queue, 'dead', -1)
            tally(queue, 'discarded', 1)
        end
        count = count + 1
    end
end
return count
