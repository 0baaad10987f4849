"""For tests of Forebay, of apps that use it and of engines.

Here are the parts for tests of apps: `in_memory` or the pytest fixture `forebay_app`, `ManualClock`, `drain`,
`enqueued`, `assert_enqueued`, `Fault`. `forebay.testing.conformance` is the suite for engines; it needs pytest.
"""

from forebay.testing.assertions import Enqueued, assert_enqueued, enqueued
from forebay.testing.clock import ManualClock
from forebay.testing.drain import Ended, adrain, drain
from forebay.testing.fault_points import Crashed, Fault, crash, fail, kill
from forebay.testing.memory import in_memory

__all__ = [
    "Crashed",
    "Ended",
    "Enqueued",
    "Fault",
    "ManualClock",
    "adrain",
    "assert_enqueued",
    "crash",
    "drain",
    "enqueued",
    "fail",
    "in_memory",
    "kill",
]
