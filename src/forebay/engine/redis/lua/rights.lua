--#use base
-- rights: commands -> the first of them that this user may not run on our keys and channels; '' if it may run all, or
-- if the server cannot tell (before Redis 7). Nothing undoes what a script has changed before it was refused a command.
local CHANNELS = {PUBLISH = true, SUBSCRIBE = true}
for n = 3, redis.acl_check_cmd and #ARGV or 0 do
    if not redis.acl_check_cmd(ARGV[n], P .. (CHANNELS[ARGV[n]] and 'news' or 'm')) then
        return ARGV[n]
    end
end
return ''
