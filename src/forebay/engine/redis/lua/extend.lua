--#use base count workers
-- extend: worker, seconds, what it says of itself each -> 1 renewed or registered, 0 declared lost, for each; then the
-- name of what is there, its newest loss and its last number, so that who only keeps others alive hears of a loss too.
local answers = {}
even_if_full()
for at = 3, #ARGV, 3 do
    local worker, until_ = ARGV[at], now + tonumber(ARGV[at + 1])
    local known = call('ZSCORE', P .. 'alive', worker)
    local answer = 0
    if call('ZSCORE', P .. 'buried', worker) == false and (not known or tonumber(known) > now) then
        local row = known and call('HGET', P .. 'w', worker)
        local since = row and string.sub(row, 1, 16) or struct.pack('>dI8', now, call('HINCRBY', KEYS[1], 'workers', 1))
        call('ZADD', P .. 'alive', until_, worker)
        call('HSET', P .. 'w', worker, since .. ARGV[at + 2])
        answer = 1
    end
    answers[#answers + 1] = answer
end
local about = call('HMGET', KEYS[1], 'born', 'fell')
return {answers, about[1] or '', about[2] or '', last_number()}
