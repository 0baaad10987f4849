-- sound: whether what stands in a message is what we write, as anybody who has the server may write over it; before
-- `message`. What is of the right form may still be wrong: that is for whoever runs it.
local function is_text(value)
    if type(value) ~= 'string' then
        return false
    elseif not string.find(value, '[\128-\255]') then
        return true
    end
    for _, wrong in ipairs({'\224[\128-\159]', '\237[\160-\191]', '\240[\128-\143]', '\244[\144-\191]'}) do
        if string.find(value, wrong) then
            return false
        end
    end
    for _, right in ipairs({'[\240-\244][\128-\191][\128-\191][\128-\191]', '[\224-\239][\128-\191][\128-\191]', '[\194-\223][\128-\191]'}) do
        value = string.gsub(value, right, ' ')
    end
    return not string.find(value, '[\128-\255]')
end

local function is_number(value, least, most)
    return type(value) == 'number' and value >= least and value <= most and value - value == 0
end

-- The one table that is packed there; nil if it is anything else.
local function table_of(packed)
    local fine, value, more = pcall(cmsgpack.unpack, packed)
    return fine and more == nil and type(value) == 'table' and value or nil
end

local function is_route(packed)
    local first, route = string.byte(packed, 1), table_of(packed)
    if not route or not ((first == 0x96 or first == 0x98) and is_text(route[1]) and is_text(route[2]) and is_text(route[4])) then
        return false
    end
    local whole = is_number(route[3], -2 ^ 31, 2 ^ 31) and route[3] % 1 == 0
    local meters = route[7] == nil or type(route[7]) == 'table'
    for _, name in ipairs(meters and route[7] or {}) do
        meters = meters and is_text(name)
    end
    return whole and meters and (route[5] == nil or is_text(route[5])) and (route[6] == nil or is_text(route[6]))
        and (route[8] == nil or is_number(route[8], -math.huge, math.huge))
end

local function is_headers(packed)
    local headers = table_of(packed)
    for name, value in pairs(headers or {}) do
        if not (is_text(name) and is_text(value)) then
            return false
        end
    end
    return headers ~= nil
end

-- Of a head, from the size of its route on.
local function is_route_and_headers(packed)
    local size = struct.unpack('>I4', packed)
    local route, headers = string.sub(packed, 5, 4 + size), string.sub(packed, 5 + size)
    return #route == size and is_route(route) and (headers == '' or is_headers(headers))
end

-- A history, nil if it is none.
local function read_history(packed)
    local x = table_of(packed)
    local fine = x and string.byte(packed, 1) == 0x97 and is_text(x[6]) and (x[7] == false or is_text(x[7]))
    for at, most in ipairs({2 ^ 31, 2 ^ 31, math.huge, 2 ^ 53, math.huge}) do
        fine = fine and is_number(x[at], (at == 3 or at == 5) and -math.huge or 0, most) and (at == 3 or at == 5 or x[at] % 1 == 0)
    end
    return fine and x or nil
end
