-- slots: of what was done before it runs (`Ack.holds`), until its run has ended; after `shares`.
-- {ns}:slot  hash  its id -> fence, worker, route and lane; of a queue they are counted as `kept`
local function keep_slot(id, fence, worker, route, moved)
    call('HSET', P .. 'slot', id, cmsgpack.pack({fence, worker, route, moved}))
    count(P .. 'holds', worker, 1)
    count(P .. 'q:' .. route[QUEUE], 'kept', 1)
end

-- It has ended, and ran for so many seconds: its slots are free.
local function free_slot(id, slot, took)
    local worker, route, moved = slot[2], slot[3], slot[4]
    call('HDEL', P .. 'slot', id)
    if count(P .. 'holds', worker, -1) <= 0 then
        call('HDEL', P .. 'holds', worker)
    end
    count(P .. 'q:' .. route[QUEUE], 'kept', -1)
    count_run(route, moved, -1)
    run_over(route[QUEUE], id, took)
end
