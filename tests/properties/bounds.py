"""How long generated tests may take, and how one that failed is seen again.

The clock ends the generating, and the search for the shortest history, long before pytest's own limit would kill the
test and hide what was found. The seed is another one each time; a failure prints it.
"""

import os
import random
import sys
import time

from hypothesis import HealthCheck, reject, seed, settings
from hypothesis.internal.conjecture import engine

#: Histories per test: FOREBAY_PROPERTIES=2000 for a long run.
HISTORIES = int(os.environ.get("FOREBAY_PROPERTIES", "40"))
#: What the histories follow from: FOREBAY_SEED=… to see them again.
SEED = int(os.environ.get("FOREBAY_SEED") or random.SystemRandom().randrange(2**32))
#: Seconds for generating, at the usual number of histories, and for the search for a shorter one that fails.
GENERATING, SHRINKING = 50.0 * max(1.0, HISTORIES / 40), 25.0

SETTINGS = settings(
    max_examples=HISTORIES,
    stateful_step_count=30,
    deadline=None,
    derandomize=False,
    print_blob=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],  # see `Budget`: it rejects what is late
)

if not hasattr(engine, "MAX_SHRINKING_SECONDS"):
    raise RuntimeError("Hypothesis bounds its search for shorter examples in another way now: look how, and do it here")
engine.MAX_SHRINKING_SECONDS = SHRINKING


def generated(test):
    """A test that is run with generated arguments, from `SEED`."""
    return seed(SEED)(SETTINGS(test))


class Budget:
    """The time of one test: once it is spent, no more histories are begun, unless one has failed and is looked for."""

    def __init__(self):
        self._end, self._failed = 0.0, False

    def begin(self):
        """Before each history."""
        self._end = self._end or time.monotonic() + GENERATING
        if not self._failed and time.monotonic() > self._end:
            reject()

    def end(self):
        """After each history, be it good or in the middle of a failure."""
        self._failed = self._failed or sys.exc_info()[0] is not None
