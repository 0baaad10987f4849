--#use base sound message
-- held: worker -> ids, heads, bodies, leases, histories of what it runs.
local ids, leases, all = {}, {}, {}
if call('HEXISTS', P .. 'holds', ARGV[3]) == 1 then
    all = call('HGETALL', P .. 'run')
end
for at = 1, #all, 2 do
    if string.sub(all[at + 1], 22) == ARGV[3] then
        ids[#ids + 1], leases[#leases + 1] = all[at], all[at + 1]
    end
end
return {ids, fetch(P .. 'm', ids), fetch(P .. 'b', ids), leases, fetch(P .. 'x', ids)}
