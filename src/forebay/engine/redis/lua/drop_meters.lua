--#use base message tell gates lanes meters
-- drop_meters: name ...
even_if_full()
for at = 3, #ARGV do
    local queue = string.match(ARGV[at], '^queue:(.+)$')
    if queue then
        call('HDEL', P .. 'q:' .. queue, 'rate', 'burst', 'slots', 'generation')
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
