--#use base count sound message ends workers
-- progress: id, fence, value -> whether it still runs under that lease.
local lease = call('HGET', P .. 'run', ARGV[3])
if not lease or string.sub(lease, 2, 9) ~= ARGV[4] or not lives(string.sub(lease, 22)) then
    return 0
end
even_if_full()
call('HSET', P .. 'p', ARGV[3], ARGV[5])
announce({ARGV[3]})
return 1
