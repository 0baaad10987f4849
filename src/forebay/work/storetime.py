"""The store's time as a worker knows it: told with each lease, and from there by a clock that nobody sets.

A worker never looks at the date of its own host, which may be wrong, be set, or run fast. Between two leases it
measures differences only; they count the time in which the host sleeps.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from forebay.model.clock import Clock, SystemClock

#: Seconds since this host was started, its sleep included where the system knows of it.
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady() -> float:
    """Seconds that nobody sets, and that pass while the host sleeps, too."""
    return time.clock_gettime(_BOOT)


class Heard(NamedTuple):
    """What was heard of the store's time, and when by `clock`: what goes on from here does not change any more.

    A run keeps the one that it began with, so that a store whose own date is set meanwhile does not make it older.
    """

    told: float
    at: float
    clock: Callable[[], float] = steady

    def now(self) -> float:
        """The store's time, seconds since the epoch: a little behind, never ahead."""
        return self.told + (self.clock() - self.at)


class StoreTime:
    """The newest that was heard.

    Args:
        clock: the app's, whose monotonic side counts if it is not the system's own: a test moves it by hand.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = steady if clock is None or isinstance(clock, SystemClock) else clock.monotonic
        self.latest = Heard(0.0, self._clock(), self._clock)  # before the first lease nothing is too old

    def heard(self, now: float) -> None:
        """The store has just told its time."""
        self.latest = Heard(now, self._clock(), self._clock)

    def now(self) -> float:
        """The store's time, as far as it is known."""
        return self.latest.now()
