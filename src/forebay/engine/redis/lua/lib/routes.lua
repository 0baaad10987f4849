-- routes: who moves messages to other stores, and what is on its way (flow/crossing.py).
-- {ns}:mv          hash  route -> who moves along it; {ns}:mva  hash  route -> where it leads, for people
-- {ns}:as:<route>  zset  messages that have left, in that order; {ns}:ab:<route>  hash  what each was, in parts
-- {ns}:mk:<route>  set   messages that have come, and may still stand there
local function moves(route, mover)
    return call('HGET', P .. 'mv', route) == mover
end
