--#use base routes
-- forget: route, mover, '1' for all marks, id ... -> 1; 0: not his route.
if not moves(ARGV[3], ARGV[4]) then
    return 0
end
even_if_full()
if ARGV[5] == '1' then
    call('DEL', P .. 'mk:' .. ARGV[3])
end
for at = 6, #ARGV do
    call('ZREM', P .. 'as:' .. ARGV[3], ARGV[at])
    call('HDEL', P .. 'ab:' .. ARGV[3], ARGV[at])
    call('SREM', P .. 'mk:' .. ARGV[3], ARGV[at])
end
return 1
