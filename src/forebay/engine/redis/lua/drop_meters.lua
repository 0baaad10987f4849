--#use base count sound message tell gates lanes meters
-- drop_meters: name ...
even_if_full()
for at = 3, #ARGV do
    local queue = string.match(ARGV[at], '^queue:(.+)$')
    if queue then
        call('HDEL', P .. 'q:' .. queue, 'rate', 'burst', 'slots', 'generation')
    end
    if window_of(ARGV[at]) then
        local beside, left = string.match(ARGV[at], '^[^/]+'), {}
        local known = call('HGET', P .. 'mb', beside)
        for _, name in ipairs(known and cmsgpack.unpack(known) or {}) do
            left[#left + 1] = name ~= ARGV[at] and name or nil
        end
        call('HSET', P .. 'mb', beside, cmsgpack.pack(left))
    end
    for _, one in ipairs(string.find(ARGV[at], '~', 1, true) and call('HKEYS', P .. 'mp') or {}) do
        if of_each(one) == ARGV[at] then
            call('HDEL', P .. 'mp', one)
        end
    end
    call('HDEL', P .. 'mt', ARGV[at])
    call('HDEL', P .. 'mp', ARGV[at])
    call('DEL', P .. 'zs:' .. ARGV[at])
end
for _, queue in ipairs(call('SMEMBERS', P .. 'queues')) do
    wake_all(queue)
end
recount()
return 1
