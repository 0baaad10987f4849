-- accept: messages come in; after `room merge`.
-- {ns}:queues  set  all that were ever declared or published to
local function form_of(packed, route, headers, failure)
    local fields = cmsgpack.unpack(packed)
    local form = {
        route = cmsgpack.unpack(route), packed = route, headers = headers, failure = failure, n = fields[1],
        delay = fields[2], due = fields[3], ttl = fields[4], debounce = fields[5], max_wait = fields[6],
        attempt = fields[7], lost = fields[8], born = fields[9], flags = fields[10] or 0, came = 0, over = 0,
    }
    form.queue, form.lane = form.route[QUEUE], place_of(form.route)
    form.unique = form.route[UNIQUE] and 1 or 0
    return form
end

-- When a message of this form is due; a time that is not in the future means at once.
local function start(form)
    if form.unique == 1 and form.debounce > 0 then
        local due = now + form.debounce
        return form.max_wait < 0 and due or math.min(due, now + form.max_wait)
    end
    return form.due >= 0 and form.due or now + form.delay
end

-- What messages of this form have in common as of now: when they were born, expire, are due (-1: at once).
local function timed(form)
    form.created = form.born >= 0 and math.min(form.born, now) or now
    local known = call('HMGET', P .. 'q:' .. form.queue, 'ttl', 'most', 'on_full', 'most_age', 'lifo', 'low', 'reserve', 'most_bytes')
    local ttl = form.ttl >= 0 and form.ttl or (tonumber(known[1]) or -1)
    form.most, form.on_full, form.most_age = (tonumber(known[2]) or -1), known[3], (tonumber(known[4]) or -1)
    form.newest, form.low = known[5] and true, (tonumber(known[6]) or -1)
    form.reserve, form.most_bytes = (tonumber(known[7]) or 0), (tonumber(known[8]) or -1)
    form.expires = ttl < 0 and -1 or form.created + ttl
    form.at = start(form)
    form.later = form.at > now
    if not form.later then
        form.at = form.created < now and form.created or -1
    end
    if form.at >= 0 or form.attempt > 0 or form.lost > 0 then
        form.past = cmsgpack.pack({form.attempt, form.lost, form.at, 0, -1, '', false})
    end
end

-- What only some forms have.
local function write_more(form, ids)
    for _, id in ipairs(ids) do
        if form.past then
            call('HSET', P .. 'x', id, form.past)
        end
        if form.expires >= 0 then
            call('ZADD', P .. 'exp', form.expires, id)
        end
        if form.failure ~= '' then
            call('HSET', P .. 'f', id, form.failure)
        end
        if form.at >= 0 and not form.later then
            call('ZADD', P .. 'bk:' .. form.queue, form.at, id)
        end
        if form.unique == 1 then
            local held = call('HGET', P .. 'u', form.route[UNIQUE])
            call('HSET', P .. 'u', form.route[UNIQUE], held and held .. ' ' .. id or id)
        end
    end
end

-- Messages of one form that are new: their ids and bodies, the number of the first less one.
local function write(form, ids, bodies, seq)
    local queue, tail, priority = form.queue, form.packed .. form.headers, score(form)
    local flags = form.unique + (form.newest and 2 or 0)
    local heads, parts, live, line = {}, {}, {}, {}
    for n, id in ipairs(ids) do
        local at = 2 * n
        heads[at - 1], heads[at] =
            id, struct.pack(HEAD, flags, seq + n, form.created, form.expires, #form.packed) .. tail
        parts[at - 1], parts[at] = id, bodies[n]
        live[at - 1], live[at] = seq + n, id
        if form.later then
            line[at - 1], line[at] = form.at, id
        else
            line[at - 1], line[at] = priority, member(seq + n, id, form.newest)
        end
    end
    many('HSET', P .. 'm', heads)
    many('HSET', P .. 'b', parts)
    many('ZADD', P .. (form.at >= 0 and 'd:' or 'a:') .. queue, live)
    if form.later then
        many('ZADD', P .. 'due', line)
        tally(queue, 'scheduled', #ids)
    else
        many('ZADD', P .. 'r:' .. queue .. ':' .. form.lane, line)
        stand(queue, form.lane)
    end
    if form.past or form.expires >= 0 or form.unique == 1 or form.failure ~= '' then
        write_more(form, ids)
    end
    tally(queue, 'published', #ids)
    tally(queue, 'bytes', form.most_bytes >= 0 and #table.concat(bodies) or 0)
    stir(queue)
end

-- Messages of one form, ids[first] to ids[last]; `known` by place, and by id what came in with this call. Adds to
-- `answers`; how many came in. `free`: whatever their queue holds.
local function accept(form, ids, bodies, known, first, last, seq, answers, free)
    local fresh, theirs = {}, {}
    timed(form)
    local room = room_of(form, free, form.debounce > 0 and 0 or #bodies[first]) -- it may take the place of another
    for n = first, last do
        local id, answer = ids[n], 0
        local there = known[n] or known[id]
        if there then -- with this very call, if its answer was lost and it is newer than what was known before
            local mine = again and not known[id] and is_whole(known[n]) and opened(known[n]).seq > again
            answer = mine and 0 or 1
        elseif form.unique == 1 then
            answer = taken(form, id, bodies[n]) or 0
        end
        if form.bounded and answer == 0 and not there then
            local never = form.most_bytes >= 0 and #bodies[n] > form.most_bytes
            if never or (room and form.came >= room) or is_over(form, #bodies[n]) then
                answer = full(form, never, #bodies[n])
            end
        elseif form.bounded and form.most_bytes >= 0 and form.unique == 1 then -- newer arguments may be larger
            form.size = bytes_of(form.queue)
        end
        known[id] = known[id] or answer == 0
        if answer == 0 and not there then
            form.came, form.size = form.came + 1, form.size and form.size + #bodies[n]
            fresh[#fresh + 1], theirs[#theirs + 1] = id, bodies[n]
            if form.unique == 1 then -- the next one may be merged into it
                write(form, fresh, theirs, seq + n - 1)
                fresh, theirs = {}, {}
                overtake(form, id)
            end
        end
        answers[#answers + 1] = answer
    end
    if #fresh > 0 then
        write(form, fresh, theirs, seq + first - 1)
    end
    return form.came
end

-- All messages of a call, from ARGV[at]: forms (packed, route, headers, failure, then `n` pairs of id and body). What came of
-- each, in order: 0 accepted, 1 known, 'd' or 'm' and the id of the one that stands for it, 'f' if there is no room and why.
local function accept_all(at, free)
    local forms, ids, bodies = {}, {}, {}
    while at <= #ARGV do
        local form = form_of(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
        at = at + 4
        form.first = #ids + 1
        for _ = 1, form.n do
            ids[#ids + 1] = ARGV[at]
            bodies[#bodies + 1] = ARGV[at + 1]
            at = at + 2
        end
        form.last = #ids
        forms[#forms + 1] = form
    end
    -- the first change: a server that has no room refuses it, and nothing has happened
    local last = number('seq', #ids)
    local seq, answers, known = last - #ids, {}, fetch(P .. 'm', ids)
    local came = 0
    for _, form in ipairs(forms) do
        call('SADD', P .. 'queues', form.queue)
        local fresh = accept(form, ids, bodies, known, form.first, form.last, seq, answers, free)
        came = came + fresh
        if form.sheds and fresh > 0 then
            shed(form.queue)
        end
    end
    return last, answers, came
end
