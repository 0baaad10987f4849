"""How long generated tests may take, and how one that failed is seen again.

In the suite a failure costs seconds: generating ends at the first, and the search for a shorter history that fails too
is cut off early; a variable has it go on. The seed is another one each time; a failure prints it.
"""

import os
import random
import signal
import sys
import time

from hypothesis import HealthCheck, Phase, reject, seed, settings
from hypothesis.internal.conjecture import engine

#: Histories per test that were asked for: FOREBAY_PROPERTIES=2000 for a long run, which no clock ends.
ASKED = int(os.environ.get("FOREBAY_PROPERTIES") or 0)
HISTORIES = ASKED or 6
#: What the histories follow from: FOREBAY_SEED=… to see them again.
SEED = int(os.environ.get("FOREBAY_SEED") or random.SystemRandom().randrange(2**32))
#: Seconds of search for a shorter history that fails as well: FOREBAY_SHRINK=300 for one that a person can read.
SHRINK_ASKED = float(os.environ.get("FOREBAY_SHRINK") or 0)
SHRINKING = SHRINK_ASKED or 5.0
#: Seconds for generating, where no number was asked for.
GENERATING = 50.0
#: Seconds for each further history of a test that pytest's limit has struck.
HANGING = 10.0

SETTINGS = settings(
    max_examples=HISTORIES,
    stateful_step_count=30,
    deadline=None,
    derandomize=False,
    print_blob=True,
    report_multiple_bugs=False,
    phases=[phase for phase in Phase if phase is not Phase.explain or SHRINK_ASKED],
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],  # see `Budget`: it rejects what is late
)

if not hasattr(engine, "MAX_SHRINKING_SECONDS"):
    raise RuntimeError("Hypothesis bounds its search for shorter examples in another way now: look how, and do it here")
engine.MAX_SHRINKING_SECONDS = SHRINKING


def generated(test):
    """A test that is run with generated arguments, from `SEED`."""
    return seed(SEED)(SETTINGS(test))


def again(test):
    """What to say below a failure of this test."""
    asked = f"FOREBAY_PROPERTIES={ASKED} " if ASKED else ""
    command = f"FOREBAY_SEED={SEED} make pytest ARGS='{test}'"
    if SHRINK_ASKED:
        return asked + command
    return (
        f"{asked}{command}\n"
        f"The search for a shorter one was cut off after {SHRINKING:g} s, whatever Hypothesis says; to have it go on:\n"
        f"{asked}FOREBAY_SHRINK=300 {command[:-1]} --timeout 0'"
    )


class Budget:
    """The time of one test: once it is spent, no more histories are begun, unless one has failed and is looked for.

    Attributes:
        ran: histories that were begun.
    """

    def __init__(self):
        self._end, self._failed, self._hung, self.ran = 0.0, False, False, 0

    def begin(self):
        """Before each history."""
        self._end = self._end or time.monotonic() + GENERATING
        if not ASKED and not self._failed and time.monotonic() > self._end:
            reject()
        self._limit()
        self.ran += 1

    def end(self):
        """After each history, be it good or in the middle of a failure."""
        self._failed = self._failed or sys.exc_info()[0] is not None

    def _limit(self):
        """Once pytest's limit has struck, each history gets one of its own.

        Hypothesis takes what the limit raises for a failure like others, and goes on with histories that hang as well.
        """
        struck = callable(signal.getsignal(signal.SIGALRM)) and not signal.getitimer(signal.ITIMER_REAL)[0]
        if struck or self._hung:
            self._hung = True
            signal.setitimer(signal.ITIMER_REAL, HANGING)
