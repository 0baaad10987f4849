--#use base count sound message tell gates lanes meters shares place ends workers
-- ack: worker, queue, seconds that they are kept ('' as usual), those that are usual, their tail ('' for own ones),
-- run times (packed doubles), then id and fence, and tail if each has its own, for each
-- -> the number of all if all were done, else 0 or 1 for each.
local worker, queue, own_keep = ARGV[3], ARGV[4], tonumber(ARGV[5])
local keep, common, took = own_keep or tonumber(ARGV[6]), ARGV[7], ARGV[8]
local step = common == '' and 3 or 2
local ids = {}
for at = 9, #ARGV, step do
    ids[#ids + 1] = ARGV[at]
end
local alive = lives(worker)
if not alive and not again then
    return 0
end
local leases, pasts = fetch(P .. 'run', ids), fetch(P .. 'x', ids)
local ended = again and fetch(P .. 'e', ids) or {}
local verdicts, done, seconds, seen = {}, {}, 0, {}
local order
local ends, line, back = {}, {}, {}
for n, id in ipairs(ids) do
    local at = 9 + (n - 1) * step
    local lease = leases[n]
    local mine = alive and lease and string.sub(lease, 2, 9) == ARGV[at + 1] and string.sub(lease, 22) == worker
    if mine and not seen[id] then
        seen[id] = n
        if #done == 0 then
            even_if_full()
            order = number('ends', #ids) - #ids
        end
        done[#done + 1] = id
        verdicts[n] = 1
        if string.byte(lease, 1) == 1 then
            free_unique(id, opened(call('HGET', P .. 'm', id), id))
        end
        if pasts[n] and history(pasts[n])[DUE] >= 0 then
            back[#back + 1] = id
        end
        ends[#ends + 1] = id
        ends[#ends + 1] = struct.pack(END, DONE, now, now + keep, order + n, #lease)
            .. lease .. (step == 3 and ARGV[at + 2] or common)
        line[#line + 1] = order + n
        line[#line + 1] = id
        if took ~= '' then
            seconds = seconds + struct.unpack('>d', took, 8 * n - 7)
        end
    elseif ended[n] and string.byte(ended[n], 1) == DONE and string.sub(ended[n], 29, 36) == ARGV[at + 1] then
        verdicts[n] = 1 -- done before, and the answer was lost; its lease may have run out since
    else
        verdicts[n] = 0
    end
end
if #done > 0 then
    local split = split_of(queue)
    if split and split.slots then
        stir(queue)
    end
    if split and (split.meters or not split.whole) then
        local heads = fetch(P .. 'm', ids, true)
        for n, id in ipairs(ids) do
            if verdicts[n] == 1 and seen[id] == n and not (split.whole and is_usual(heads[n])) then
                count_run(opened(heads[n], id).route, history(pasts[n])[MOVED], -1)
                if split.fair then
                    run_over(queue, id, took ~= '' and struct.unpack('>d', took, 8 * n - 7) or 0)
                end
            end
        end
        keep_turns()
    end
    many('HDEL', P .. 'run', done)
    many('HDEL', P .. 'b', done)
    many('ZREM', P .. (#back == #done and 'd:' or 'a:') .. queue, done)
    if #back > 0 and #back < #done then
        many('ZREM', P .. 'd:' .. queue, back)
    end
    let_go(worker, done)
    if keep <= 0 then
        forget(done)
    else
        many('HSET', P .. 'e', ends)
        many('ZADD', P .. (own_keep and 'odd:' or 'ends:') .. 'done', line)
        if own_keep then
            for n = 1, #line, 2 do
                line[n] = now + keep
            end
            many('ZADD', P .. 'keep', line)
        else
            bound(DONE, #done)
        end
    end
    tally(queue, 'running', -#done)
    tally(queue, 'done', #done)
    if seconds > 0 then
        add(P .. 'q:' .. queue, 'seconds', text(seconds))
    end
    announce(done)
end
if #done == #ids then
    return #ids
end
return verdicts
