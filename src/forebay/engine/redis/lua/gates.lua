--#use base gates
-- gates: -> the closed ones, packed.
local answer = {}
for n, gate in ipairs(closed() or {}) do
    answer[n] = cmsgpack.pack(gate)
end
return answer
