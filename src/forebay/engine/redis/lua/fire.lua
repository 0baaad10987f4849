--#use base count sound message tell gates lanes meters place ends room merge accept
-- fire: name, tick, following, newest ('' to keep it), {forms and messages} -> whether it fired.
-- {ns}:sched  hash  name -> cron, tz, next, last, paused, declared
local name, tick = ARGV[3], tonumber(ARGV[4])
local packed = call('HGET', P .. 'sched', name)
if not packed then
    return 0
end
local row = cmsgpack.unpack(packed)
if row[5] or row[3] ~= tick or tick > now then
    return 0
end
if #ARGV > 6 then -- first, for it is what a server without room refuses
    accept_all(7, true)
else
    even_if_full()
end
row[3] = tonumber(ARGV[5])
if ARGV[6] ~= '' then
    row[4] = tonumber(ARGV[6])
end
call('HSET', P .. 'sched', name, cmsgpack.pack(row))
return 1
