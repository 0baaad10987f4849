"""The store's clock as a client knows it: what the server said last, and what has passed since."""

import time

from forebay.model.clock import Clock, SystemClock


class Times:
    """`now` is the server's time; that of the engine's clock, if that is not the machine's."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._ahead = clock, time.time() - time.monotonic()

    def see(self, now: float) -> None:
        """The server said what time it is."""
        self._ahead = now - time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        if isinstance(self._clock, SystemClock):
            return self._ahead + time.monotonic()
        return self._clock.now()
