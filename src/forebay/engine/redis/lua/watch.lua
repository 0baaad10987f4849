--#use base
-- watch: seconds, id ... ('*' for all): whoever ends them tells on {ns}:ended.
-- {ns}:watched  hash  id -> until when
even_if_full()
for at = 4, #ARGV do
    call('HSET', P .. 'watched', ARGV[at], now + tonumber(ARGV[3]))
end
return 1
