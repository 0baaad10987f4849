--#use base
-- pause_schedule: name, '1' to stop it -> whether there is one. What it missed while paused is not made up for.
local packed = call('HGET', P .. 'sched', ARGV[3])
if not packed then
    return 0
end
local row, paused = cmsgpack.unpack(packed), ARGV[4] == '1'
if row[5] and not paused and row[3] <= now then
    row[3] = 0
end
row[5] = paused
even_if_full()
call('HSET', P .. 'sched', ARGV[3], cmsgpack.pack(row))
return 1
