--#use base count sound message tell gates lanes meters shares slots place ends workers
-- settle: worker, '1' if it need not live any more, then for each: id, fence, what is to become of it (packed), its
-- newest failure ('' to keep the one before), the tail of its end -> for each: 1 done, 0 refused, or how it stands,
-- if that is not how it was judged.
-- Judged by model/ruling.py; here it is only written down: state, refund, lost, due (-1: as it is), lane (false: as it
-- is), cause, known (1, 0, -1: nobody looked), total to add to, seconds to keep it, run time, and as it was thought to
-- stand: asked, lost, newer, shut (-1: not looked at, no lane is named); until when the lane
-- is closed for all (-1: it is not); whether nothing of it has started, whether it keeps its slots,
-- and whether it is kept longer or shorter than is usual; the queue in which it goes on (false: in its own):
-- then the tail is its headers.
local worker = ARGV[3]
local answers = {}
local alive = ARGV[4] == '1' or lives(worker)
if not alive and not again then
    return answers
end
even_if_full()
local STATES = {done = DONE, dead = DEAD, cancelled = CANCELLED, expired = EXPIRED, discarded = DISCARDED}

local function standing(id, m, x, lane)
    local newer = ''
    if m.route[UNIQUE] then
        for one in string.gmatch(call('HGET', P .. 'u', m.route[UNIQUE]) or '', '%S+') do
            if newer == '' and one ~= id then
                local other = opened(call('HGET', P .. 'm', one), one)
                newer = (other.seq > m.seq or other.created > m.created) and one or '' -- or it came back before this one
            end
        end
    end
    local over = newer == '' and m.route[UNIQUE] and call('HGET', P .. 'mg', id) -- by one that has ended, perhaps
    if over then
        local ended = call('HGET', P .. 'e', over)
        local state = ended and string.byte(ended, 1) or DONE
        newer = (state == DONE or state == DEAD) and over or ''
    end
    local shut = -1
    if lane then
        shut = is_shut(closed(), m.route[QUEUE], lane) and 1 or 0
    end
    return call('SISMEMBER', P .. 'ask:' .. worker, id), x[LOST], newer, shut
end

-- On in another queue, as the same message, behind what waits there.
local function reroute(id, m, x, queue, headers)
    local before = m.route[QUEUE]
    call('ZREM', P .. 'a:' .. before, id)
    call('ZREM', P .. 'd:' .. before, id)
    m.route[QUEUE], m.headers = queue, headers
    put_into(id, m, x, string.sub(lane_of(m, x), 1, 5) == 'rule.' and '' or lane_of(m, x))
    rewrite(id, m)
    call('SADD', P .. 'queues', queue)
    call('ZADD', P .. (x[DUE] < 0 and 'a:' or 'd:') .. queue, m.seq, id)
    tally(queue, 'published', 1)
    stir(before)
end

local eased = {} -- queues whose rates have something back: whatever lane waits for them is looked at again

local function write_down(id, m, x, lease, ruling, failure, tail)
    local state, queue = ruling[1], m.route[QUEUE]
    call('HDEL', P .. 'run', id)
    let_go(worker, {id})
    tally(queue, 'running', -1)
    if ruling[17] then
        keep_slot(id, string.sub(lease, 2, 9), worker, m.route, x[MOVED])
    else
        count_run(m.route, x[MOVED], -1)
        run_over(queue, id, ruling[10])
    end
    if ruling[16] then
        give_back(m.route, x[MOVED])
        eased[queue] = true
    end
    x[ATTEMPT] = select(3, struct.unpack(RUN, lease)) - ruling[2]
    x[LOST] = ruling[3]
    x[SETTLED] = ARGV[4] == '1' and 0 or select(2, struct.unpack(RUN, lease))
    x[CAUSE] = ruling[6]
    if ruling[7] >= 0 then
        x[UNKNOWN] = ruling[7] == 1 and -1 or (x[UNKNOWN] >= 0 and x[UNKNOWN] or now)
    end
    if failure ~= '' then
        call('HSET', P .. 'f', id, failure)
    end
    if ruling[10] > 0 then
        add(P .. 'q:' .. queue, 'seconds', text(ruling[10]))
    end
    if STATES[state] then
        call('HSET', P .. 'x', id, cmsgpack.pack(x))
        end_live(id, m, x, STATES[state], lease, tail, ruling[9], ruling[18])
        announce({id})
        return
    end
    if ruling[5] then
        put_into(id, m, x, ruling[5])
    end
    if ruling[8] ~= '' then
        tally(queue, ruling[8], 1)
    end
    if m.expires >= 0 then
        call('ZADD', P .. 'exp', m.expires, id)
    end
    if ruling[19] then
        reroute(id, m, x, ruling[19], tail)
    else
        hold(id, m)
    end
    if state == 'scheduled' then
        enter_scheduled(id, m, x, ruling[4])
    else
        enter_ready(id, m, x)
    end
    call('HSET', P .. 'x', id, cmsgpack.pack(x))
end

-- What was done before it ran, and has ended; not if this is the same call again.
local function free_ended(id, fence, ruling)
    local packed = not ruling[17] and call('HGET', P .. 'slot', id)
    local slot = packed and cmsgpack.unpack(packed)
    if slot and slot[1] == fence and slot[2] == worker then
        free_slot(id, slot, ruling[10])
        return true
    end
    return false
end

for at = 5, #ARGV, 5 do
    local id, fence = ARGV[at], ARGV[at + 1]
    local lease, answer, ruling = call('HGET', P .. 'run', id), 0, cmsgpack.unpack(ARGV[at + 2])
    if alive and lease and string.sub(lease, 2, 9) == fence and string.sub(lease, 22) == worker then
        local m, x = opened(call('HGET', P .. 'm', id), id), history(call('HGET', P .. 'x', id))
        if ruling[15] > now then
            throttle(m.route[QUEUE], ruling[5], ruling[6], ruling[15])
        end
        local asked, lost, newer, shut = standing(id, m, x, ruling[5])
        if asked == ruling[11] and lost == ruling[12] and newer == ruling[13] and shut == ruling[14] then
            write_down(id, m, x, lease, ruling, ARGV[at + 3], ARGV[at + 4])
            answer = 1
        else
            answer = {asked, lost, newer, shut}
        end
    elseif alive and not lease and free_ended(id, fence, ruling) then
        answer = 0
    elseif again then -- done before, and the answer was lost? A burial leaves no fence in SETTLED
        local ended, past = call('HGET', P .. 'e', id), call('HGET', P .. 'x', id)
        local settled = history(past)[SETTLED]
        local done = ended and string.byte(ended, 1) == DONE and string.sub(ended, 29, 36) == fence
        if done or struct.pack('>I8', settled) == fence then
            answer = 1
        end
    end
    answers[#answers + 1] = answer
end
keep_turns()
for queue in pairs(eased) do
    if split_of(queue) then
        wake_all(queue)
    end
end
return answers
