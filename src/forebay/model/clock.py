"""Time as a part that is passed in: wall time for what people see, monotonic time for leases.

`monotonic` is the machine's clock since boot, the same for all processes of one host, so a lease on a one-host engine
does not care when somebody sets the date.
"""

import functools
import time
from typing import Protocol

from forebay.model.errors import ConfigError


class Clock(Protocol):
    """Two readings, both in seconds."""

    def now(self) -> float:
        """Seconds since the epoch (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds since boot; never steps."""
        ...


class SystemClock:
    """The machine's own clocks, asked of the system: who replaces `time.time` in a process sets no store's date."""

    __slots__ = ()
    now = staticmethod(functools.partial(time.clock_gettime, time.CLOCK_REALTIME))
    monotonic = staticmethod(time.monotonic)


def checked(clock: Clock) -> Clock:
    """The same clock, which has what a clock has.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(clock, type) or not all(callable(getattr(clock, name, None)) for name in ("now", "monotonic")):
        raise ConfigError(
            f"clock= is an object with now() and monotonic(), such as forebay.testing.ManualClock(), not {clock!r:.100}"
        )
    return clock
