-- gates: {ns}:gates  hash  a closed gate by what it is about: queue, lane, reason, since, holder, until, task, key
-- The closed ones, nil if there are none, which is usual. Read once in a script.
local closed_gates = 0
local function closed()
    if closed_gates ~= 0 then
        return closed_gates
    end
    closed_gates = nil
    if call('EXISTS', P .. 'gates') == 1 then
        closed_gates = {}
        for _, packed in ipairs(call('HVALS', P .. 'gates')) do
            local gate = cmsgpack.unpack(packed)
            if gate[6] < 0 or gate[6] > now then
                closed_gates[#closed_gates + 1] = gate
            end
        end
    end
    return closed_gates
end

-- Whether a closed gate holds what is of this queue, lane, task and key; as `flow.lane.shut`.
local function is_shut(gates, queue, lane, task, key)
    for _, gate in ipairs(gates or {}) do
        if gate[1] == queue or gate[1] == '' then
            if gate[7] then
                if gate[7] == task then
                    return true
                end
            elseif gate[8] then
                if gate[8] == key then
                    return true
                end
            elseif not gate[2] or gate[2] == lane then
                return true
            end
        end
    end
    return false
end

-- Whether the whole queue is closed.
local function is_paused(queue)
    for _, gate in ipairs(closed() or {}) do
        if gate[1] == queue and not (gate[2] or gate[7] or gate[8]) then
            return true
        end
    end
    return false
end

-- When a queue goes on, all of which is closed; -1 if it is not, or if somebody holds it for good.
local function opens_at(queue)
    local latest = -1
    for _, gate in ipairs(closed() or {}) do
        if gate[1] == queue and not (gate[2] or gate[7] or gate[8]) then
            if gate[6] < 0 then
                return -1
            end
            latest = math.max(latest, gate[6])
        end
    end
    return latest
end

-- Close one, or change why and until when; closed already, it keeps its time. {ns}:ag  set  those about tasks and keys.
local function close_gate(name, gate)
    local packed = call('HGET', P .. 'gates', name)
    gate[4] = now
    if packed then
        local before = cmsgpack.unpack(packed)
        if before[6] < 0 or before[6] > now then
            gate[4] = before[4]
        end
    end
    if gate[7] or gate[8] then
        call('SADD', P .. 'ag', name)
    end
    call('HSET', P .. 'gates', name, cmsgpack.pack(gate))
    closed_gates = 0
end

-- Close a lane until a time that somebody was told; an earlier one changes nothing.
local function throttle(queue, lane, reason, until_)
    local name = table.concat({queue, 'lane', lane, 'throttle'}, '\0')
    local packed = call('HGET', P .. 'gates', name)
    if not packed or cmsgpack.unpack(packed)[6] <= until_ then
        close_gate(name, {queue, lane, reason, now, 'throttle', until_, false, false})
    end
end
