--#use base
-- put_schedules: {name, cron, tz, next, paused, last ('' for none), form} each.
-- {ns}:sched  hash  name -> cron, tz, next, last, paused, declared; {ns}:form  hash  name -> what is not looked at here
even_if_full()
for at = 3, #ARGV, 7 do
    local name, cron, tz, upcoming = ARGV[at], ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3])
    local row = {cron, tz, upcoming, tonumber(ARGV[at + 5]) or false, ARGV[at + 4] == '1', now}
    local packed = call('HGET', P .. 'sched', name)
    if packed then -- only a changed cron or time zone moves the next tick
        local old = cmsgpack.unpack(packed)
        if old[1] == cron and old[2] == tz then
            row[3] = old[3]
        end
        row[4], row[5] = old[4], old[5]
    end
    call('HSET', P .. 'sched', name, cmsgpack.pack(row))
    call('HSET', P .. 'form', name, ARGV[at + 6])
end
return 1
