"""What the generated tests ask of the rule that stands in Python and in a server's language too: meters, and places."""

from hypothesis import strategies as st

from forebay.flow.lane import Split
from forebay.model.meter import Meter
from forebay.model.queue import QueueSpec

NOW = 1000.5
NAMES = st.sampled_from(["a", "b", "smtp", "x:y", ""])
RATES = st.none() | st.sampled_from([0.001, 0.5, 1.0, 3.0, 1000.0, 1 / 3])
COSTS = st.sampled_from([0.0, 0.1, 1.0, 10.0])

meters = st.builds(
    Meter,
    name=st.just("m"),
    rate=RATES,
    burst=st.none() | st.sampled_from([1.0, 2.0, 7.5, 100.0]),
    slots=st.none() | st.integers(0, 3),
    running=st.integers(0, 4),
    tat=st.sampled_from([0.0, 1000.0, NOW, 1000.6, 1001.0, 5000.0]) | st.floats(999, 1002),
)
#: Budgets of a minute, in a window that began at 960.
budgets = st.builds(
    lambda calls, amount, tat: Meter(name=f"provider:p/{calls}60", rate=amount / 60, burst=amount, tat=tat),
    st.sampled_from(["", "calls/"]),
    st.sampled_from([1.0, 2.0, 7.5, 100.0]),
    st.sampled_from([0.0, 960.0, 990.0, 1000.0, 1020.0, 5000.0]) | st.floats(900, 1100),
)
#: Lane, task, key and meters of a message.
messages = st.tuples(
    NAMES, NAMES, st.none() | NAMES, st.lists(st.sampled_from(["provider:smtp", "m"]), max_size=2, unique=True)
)
SPECS = {"name": st.just("q"), "ordered": st.booleans(), "key_rate": RATES}
APART = {
    "tasks": st.lists(NAMES, max_size=2, unique=True).map(tuple),
    "keys": st.lists(NAMES, max_size=2, unique=True).map(tuple),
}
splits = st.builds(Split, spec=st.builds(QueueSpec, **SPECS), **APART)
#: With fair queues, for engines that have them.
fair_splits = st.builds(Split, spec=st.builds(QueueSpec, **SPECS, fair=st.booleans()), **APART)
