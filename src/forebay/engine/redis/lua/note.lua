--#use base
-- note: lines that are kept, actor, verb, target, detail.
-- {ns}:audit  list  the newest first; their numbers in {ns}:meta, audit
even_if_full()
local seq = call('HINCRBY', KEYS[1], 'audit', 1)
call('LPUSH', P .. 'audit', cmsgpack.pack({seq, now, ARGV[4], ARGV[5], ARGV[6], ARGV[7]}))
call('LTRIM', P .. 'audit', 0, tonumber(ARGV[3]) - 1)
return 1
