"""What stands in Lua and in Python too is the same: when a meter lets one through, and where a message waits."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.servers import redis
from forebay.engine.redis.scripts import scripts
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
    text = scripts()["declare"].text.decode()
    return text[: text.index("-- declare: ")]


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
splits['q'] = {ordered = a[5], by_key = a[6], tasks = {}, keys = {}, meters = true}
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
        spec=st.builds(QueueSpec, name=st.just("q"), ordered=st.booleans(), key_rate=RATES),
        tasks=st.lists(NAMES, max_size=2, unique=True).map(tuple),
        keys=st.lists(NAMES, max_size=2, unique=True).map(tuple),
    ),
)
def test_a_message_waits_in_lua_where_it_does_in_python(lua, message, split):
    told = lua(PLACE, msgspec.msgpack.encode([*message, split.spec.ordered, split.by_key, split.tasks, split.keys]))
    lane, task, key, meters = message
    assert told.decode() == place(own(lane, meters), task, key, split)
