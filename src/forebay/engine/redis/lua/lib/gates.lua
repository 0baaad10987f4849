-- gates: {ns}:gates  hash  a closed gate by what it is about: queue, lane, reason, since, holder, until, task, key
-- The closed ones, nil if there are none, which is usual.
local function closed()
    if call('EXISTS', P .. 'gates') == 0 then
        return nil
    end
    local found = {}
    for _, packed in ipairs(call('HVALS', P .. 'gates')) do
        local gate = cmsgpack.unpack(packed)
        if gate[6] < 0 or gate[6] > now then
            found[#found + 1] = gate
        end
    end
    return found
end

local function is_shut(gates, queue, lane)
    for _, gate in ipairs(gates or {}) do
        if gate[1] == queue and (gate[2] == false or gate[2] == lane) then
            return true
        end
    end
    return false
end
