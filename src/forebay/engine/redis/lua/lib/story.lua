-- story: all that is known of some messages, for the client to put together.
-- -> ids, heads, bodies, histories, failures, progress, ends, leases, due times, whether they are to stop; closed gates
local function stories(ids)
    local heads, ends, leases = fetch(P .. 'm', ids), fetch(P .. 'e', ids), fetch(P .. 'run', ids)
    local dues, asked = {}, {}
    for n, id in ipairs(ids) do
        dues[n] = heads[n] and not ends[n] and not leases[n] and call('ZSCORE', P .. 'due', id) or false
        asked[n] = leases[n] and not ends[n] and call('SISMEMBER', P .. 'ask:' .. string.sub(leases[n], 22), id) or 0
    end
    local gates = {}
    for n, gate in ipairs(closed() or {}) do
        gates[n] = cmsgpack.pack(gate)
    end
    return {
        ids, heads, fetch(P .. 'b', ids), fetch(P .. 'x', ids), fetch(P .. 'f', ids), fetch(P .. 'p', ids), ends, leases,
        dues, asked, gates,
    }
end
