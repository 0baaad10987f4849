-- plain: how scripts begin that are short and often called; as `base`, without what is for many and for rare cases.
local P = string.sub(KEYS[1], 1, -5)
local call = redis.call
local now = tonumber(ARGV[1])
if not now then
    local time = call('TIME')
    now = time[1] + time[2] / 1000000
end
