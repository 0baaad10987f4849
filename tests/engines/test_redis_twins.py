"""What stands in Lua and in Python too is the same: when a meter lets one through, and where a message waits."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.servers import redis
from forebay.engine.redis.scripts import scripts
from forebay.flow.fair import Account, Common, Round, at_once, ended, usual
from forebay.flow.grant import given_back, grant
from forebay.flow.lane import Split, own, place
from forebay.model.meter import Meter
from forebay.model.queue import QueueSpec
from properties import rules
from properties.bounds import generated

NAMES = st.sampled_from(["a", "b", "smtp", "x:y", ""])
RATES = st.none() | st.sampled_from([0.001, 0.5, 1.0, 3.0, 1000.0, 1 / 3])


def library():
    """The parts that are asked here, without an operation."""
    text = scripts()["lease"].text.decode()
    return text[: text.index("-- lease: ")]


@pytest.fixture(scope="module")
def lua():
    with redis.client() as server:
        digests = {}

        def run(body, *args):
            if body not in digests:
                digests[body] = server.script_load(library() + body)
            return server.evalsha(digests[body], 1, "{twins}:meta", "1000.5", "", *args)

        yield run
        server.delete("{twins}:gates", "{twins}:q:q")


ASK = """
local a = cmsgpack.unpack(ARGV[3])
local function maybe(n) return a[n] >= 0 and a[n] or nil end
local tat, go = grant({rate = maybe(1), burst = maybe(2), slots = maybe(3), running = a[4], tat = a[5]}, a[6])
return {tat and text(tat) or '', go and text(go) or ''}
"""


@generated
@given(
    rate=RATES,
    burst=st.none() | st.sampled_from([1.0, 2.0, 7.5, 100.0]),
    slots=st.none() | st.integers(0, 3),
    running=st.integers(0, 4),
    tat=st.sampled_from([0.0, 1000.0, 1000.5, 1000.6, 1001.0, 5000.0]) | st.floats(999, 1002),
    cost=st.sampled_from([0.0, 0.1, 1.0, 10.0]),
)
def test_a_meter_lets_one_through_in_lua_when_it_does_in_python(lua, cost, **fields):
    meter = Meter(name="m", **fields)
    bounds = [-1.0 if one is None else one for one in (meter.rate, meter.burst, meter.slots)]
    after, go = lua(ASK, msgspec.msgpack.encode([*bounds, meter.running, meter.tat, cost]))
    answer = grant(meter, 1000.5, 1, cost)
    assert bool(after) == bool(answer.n)
    if answer.n and meter.rate:
        assert float(after) == pytest.approx(answer.tat, abs=1e-9)
    if not answer.n:
        assert (float(go) if go else None) == pytest.approx(answer.again, abs=1e-9)


ASK_BUDGET = """
local a = cmsgpack.unpack(ARGV[3])
local tat, go = grant({name = a[1], rate = a[2], burst = a[3], running = 0, tat = a[4]}, a[5])
return {tat and text(tat) or '', go and text(go) or ''}
"""


@generated
@given(meter=rules.budgets, cost=rules.COSTS)
def test_a_budget_lets_one_through_in_lua_when_it_does_in_python(lua, meter, cost):
    after, go = lua(ASK_BUDGET, msgspec.msgpack.encode([meter.name, meter.rate, meter.burst, meter.tat, cost]))
    answer = grant(meter, rules.NOW, 1, cost)
    assert bool(after) == bool(answer.n)
    assert float(after or go) == pytest.approx(answer.tat if answer.n else answer.again, abs=1e-6)


GIVEN_BACK = """
local a = cmsgpack.unpack(ARGV[3])
return text(given_back({rate = a[1], tat = a[2]}, a[3]))
"""


@generated
@given(
    rate=st.sampled_from([0.001, 0.5, 1.0, 1000.0]),
    tat=st.sampled_from([0.0, 1000.0, 1000.5, 1001.0, 5000.0]) | st.floats(999, 1002),
    cost=st.sampled_from([0.0, 0.1, 1.0, 10.0]),
)
def test_a_meter_gets_back_in_lua_what_it_does_in_python(lua, rate, tat, cost):
    told = lua(GIVEN_BACK, msgspec.msgpack.encode([rate, tat, cost]))
    assert float(told) == pytest.approx(given_back(Meter(name="m", rate=rate, tat=tat), 1000.5, cost), abs=1e-9)


PLACE = """
local a = cmsgpack.unpack(ARGV[3])
splits['q'] = {ordered = a[5], by_key = a[6], fair = a[9], tasks = {}, keys = {}, meters = true}
for _, task in ipairs(a[7]) do splits['q'].tasks[task] = true end
for _, key in ipairs(a[8]) do splits['q'].keys[key] = true end
return place_of({'q', a[1], 0, a[2], a[3], nil, a[4], 1})
"""


@generated
@given(
    message=st.tuples(
        NAMES, NAMES, st.none() | NAMES, st.lists(st.sampled_from(["provider:smtp", "m"]), max_size=2, unique=True)
    ),
    split=st.builds(
        Split,
        spec=st.builds(QueueSpec, name=st.just("q"), ordered=st.booleans(), key_rate=RATES, fair=st.booleans()),
        tasks=st.lists(NAMES, max_size=2, unique=True).map(tuple),
        keys=st.lists(NAMES, max_size=2, unique=True).map(tuple),
    ),
)
def test_a_message_waits_in_lua_where_it_does_in_python(lua, message, split):
    told = split.spec.ordered, split.by_key, split.tasks, split.keys, split.spec.fair
    told = lua(PLACE, msgspec.msgpack.encode([*message, *told]))
    lane, task, key, meters = message
    assert told.decode() == place(own(lane, meters), task, key, split)


LANES = [f"|key:{name}" for name in "abcd"] + ["smtp|task:send", ""]
SECONDS = st.sampled_from([0.001, 0.02, 0.1, 1.0, 60.0])
ACCOUNTS = st.builds(
    Account, turn=st.sampled_from([0.0, 90.0, 100.0, 100.5]), busy=st.integers(0, 4), owed=SECONDS,
    mean=st.none() | SECONDS,
)  # fmt: skip
COMMON = st.builds(
    Common, clock=st.sampled_from([95.0, 100.0]), usual=st.none() | SECONDS,
    recent=st.lists(st.tuples(st.sampled_from(LANES), st.sampled_from([900.0, 999.0, 1005.0])), max_size=3).map(tuple),
    needed=st.sampled_from([0.0, 0.98, 1.0, 2.5, 7.0]),
)  # fmt: skip


def packed(account):
    return [account.turn, account.busy, account.owed, -1.0 if account.mean is None else account.mean]


ROUND = """
local a, answer = cmsgpack.unpack(ARGV[3]), {}
local function account(one)
    return {turn = one[1], busy = one[2], owed = one[3], mean = one[4] >= 0 and one[4] or nil}
end
local function accounts(some)
    local found = {}
    for lane, one in pairs(some) do found[lane] = account(one) end
    return found
end
local common = {clock = a[1], usual = a[2] >= 0 and a[2] or nil, recent = a[3], weights = a[4], slots = a[5]}
common.running, common.own, common.needed = accounts(a[6]), a[9], a[11]
local waiting = accounts(a[7])
for lane in pairs(waiting) do waiting[lane] = common.running[lane] or waiting[lane] end
local turns = rounds()
answer[1] = turns.at_once(common, a[8], a[10])
local round = turns.new(common, waiting, a[8])
for n = 1, a[8] do
    local lane, one = turns.next_of(round)
    if not lane then break end
    turns.give(round, lane, one, n % 3 > 0)
    answer[#answer + 1] = {lane, text(one.turn), one.busy, text(one.owed)}
end
answer[#answer + 1], answer[#answer + 2] = text(common.clock), text(common.needed)
for _, one in ipairs(common.recent) do answer[#answer + 1] = one[1] end
return answer
"""


@generated
@given(
    common=COMMON, weights=st.dictionaries(st.sampled_from("abz"), st.sampled_from([0.5, 3.0]), max_size=2),
    worker=st.tuples(st.integers(1, 20), st.sampled_from([0, 1, 2, 3, 8, 16]), st.integers(0, 8), st.integers(0, 9)),
    accounts=st.tuples(*[st.dictionaries(st.sampled_from(LANES), ACCOUNTS, max_size=5)] * 2),
)  # fmt: skip
def test_turns_are_in_lua_what_they_are_in_python(lua, common, weights, worker, accounts):
    (asked, slots, own, held), (running, waiting) = worker, accounts
    running = {lane: msgspec.structs.replace(one, busy=one.busy + 1) for lane, one in running.items()}
    waiting = {lane: running.get(lane, msgspec.structs.replace(one, busy=0)) for lane, one in waiting.items()}
    told = lua(
        ROUND,
        msgspec.msgpack.encode([
            common.clock, -1.0 if common.usual is None else common.usual, common.recent, weights, slots,
            {lane: packed(one) for lane, one in running.items()}, {lane: packed(one) for lane, one in waiting.items()},
            asked, own, held, common.needed,
        ]),
    )  # fmt: skip
    there = slots or sum(one.busy for one in running.values()) + asked
    turns = Round(weights, common, 1000.5, there, running=running, waiting=waiting)
    expected, n = [at_once(asked, own, held, running.values())], 0
    while n < asked and (lane := turns.next()) is not None:
        n += 1
        turns.give(lane, more=n % 3 > 0)
        one = turns.accounts[lane]
        expected.append([lane.encode(), b"%.17g" % one.turn, one.busy, b"%.17g" % one.owed])
    recent = [lane.encode() for lane, _ in turns.common.recent]
    assert told == [*expected, b"%.17g" % turns.common.clock, b"%.17g" % turns.common.needed, *recent]


ENDED = """
local a = cmsgpack.unpack(ARGV[3])
local one = shares().ended({turn = a[1], busy = a[2], owed = a[3], mean = a[4] >= 0 and a[4] or nil}, a[5], a[6], a[7])
local usual = #a[7] > 0 and shares().usual(a[8] >= 0 and a[8] or nil, a[7]) or a[8]
return {text(one.turn), text(one.owed), text(one.mean or -1), text(one.busy), text(usual)}
"""


@generated
@given(
    account=ACCOUNTS, before=st.none() | SECONDS,
    ends=st.tuples(st.sampled_from([0.5, 1.0, 3.0]), st.integers(1, 5), st.lists(SECONDS, max_size=5)),
)  # fmt: skip
def test_what_runs_took_counts_in_lua_as_in_python(lua, account, ends, before):
    (share, n, times), seen = ends, -1.0 if before is None else before
    told = lua(ENDED, msgspec.msgpack.encode([*packed(account), share, n, times, seen]))
    after = ended(account, share, n, times)
    took = usual(Common(usual=before), times).usual
    mean = -1.0 if after.mean is None else after.mean
    expected = after.turn, after.owed, mean, after.busy, -1.0 if took is None else took
    assert [float(one) for one in told] == pytest.approx(expected, rel=1e-12, abs=1e-9)


THROUGH = """
local a = cmsgpack.unpack(ARGV[3])
local n, tat, again = through({rate = a[1], burst = a[2] >= 0 and a[2] or nil}, a[3], a[4])
return {n, text(tat), text(again)}
"""


@generated
@given(
    rate=st.sampled_from([0.001, 0.5, 1.0, 3.0, 1000.0]),
    burst=st.none() | st.sampled_from([1.0, 2.0, 7.5, 100.0]),
    tat=st.sampled_from([0.0, 1000.0, 1000.5, 1000.6, 1001.0, 5000.0]) | st.floats(999, 1002),
    want=st.integers(1, 200),
)
def test_a_rate_lets_many_through_at_once_in_lua_as_in_python(lua, rate, burst, tat, want):
    told = lua(THROUGH, msgspec.msgpack.encode([rate, -1.0 if burst is None else burst, tat, want]))
    answer = grant(Meter(name="queue:q", rate=rate, burst=burst, tat=tat), 1000.5, want)
    assert (told[0], float(told[1])) == (answer.n, pytest.approx(answer.tat, abs=1e-6))
    assert float(told[2]) == pytest.approx(answer.again, abs=1e-6)
