--#use base
-- declare: queue, its ttl ('' for none; '-' to leave it as it is) each.
-- {ns}:queues  set; {ns}:q:<queue>  hash  see lib/place.lua
for at = 3, #ARGV, 2 do
    call('SADD', P .. 'queues', ARGV[at])
    if ARGV[at + 1] == '' then
        call('HDEL', P .. 'q:' .. ARGV[at], 'ttl')
    elseif ARGV[at + 1] ~= '-' then
        call('HSET', P .. 'q:' .. ARGV[at], 'ttl', ARGV[at + 1])
    end
end
return 1
