--#use base
-- rights: commands -> the first of them that this user may not run on our keys and channels; '' if it may run all, or
-- if the server cannot tell (before Redis 7); with a '-' before it, one that the server does not know. Nothing undoes what a script has changed before it was refused a command.
local CHANNELS = {PUBLISH = true, SUBSCRIBE = true}
for n = 3, redis.acl_check_cmd and #ARGV or 0 do
    local known, may = pcall(redis.acl_check_cmd, ARGV[n], P .. (CHANNELS[ARGV[n]] and 'news' or 'm'))
    if not (known and may) then
        return (known and '' or '-') .. ARGV[n]
    end
end
return ''
