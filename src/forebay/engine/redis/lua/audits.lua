--#use base
-- audits: how many, older than which line ('' for the newest) -> lines, packed, the newest first.
local first = 0
if ARGV[4] ~= '' then
    first = math.max(0, (tonumber(call('HGET', KEYS[1], 'audit')) or 0) - tonumber(ARGV[4]) + 1)
end
return call('LRANGE', P .. 'audit', first, first + tonumber(ARGV[3]) - 1)
