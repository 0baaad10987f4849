"""A retry budget: of the calls of a provider only a share may be repeats; what is beyond that is put off. Pure.

A token bucket, as Finagle's `RetryBudget`, whose defaults these are: each call puts a share of a token in, a few come
each second, a repeat takes one, and none is kept for longer than ten seconds' worth.
"""

import math

#: Repeats a second that are always allowed, of one worker process; seconds' worth of tokens that are kept.
FLOOR, KEPT = 10.0, 10.0
#: Seconds that a repeat is put off at the most.
LONGEST = 60.0


class Repeats:
    """Those of one provider in one process.

    Args:
        share: of the calls that may be repeats.
        now: seconds, by any clock that goes on evenly.
    """

    def __init__(self, share: float, now: float) -> None:
        self._share, self._at, self._rate, self._tokens = share, now, 0.0, FLOOR * KEPT

    def called(self, now: float) -> None:
        """A call has ended."""
        self._pass(now)
        self._rate += 1 / KEPT
        self._tokens = min(self._tokens + self._share, self._income() * KEPT)

    def wait(self, now: float) -> float:
        """Seconds by which one more repeat is to be put off; it is counted."""
        self._pass(now)
        self._tokens -= 1
        return 0.0 if self._tokens >= 0 else min(LONGEST, -self._tokens / self._income())

    def _pass(self, now: float) -> None:
        passed, self._at = max(0.0, now - self._at), max(now, self._at)
        self._rate *= math.exp(-passed / KEPT)
        # those that calls bring are put in when they end; whoever is late gets no more than was kept
        self._tokens = min(max(self._tokens + FLOOR * passed, -LONGEST * self._income()), self._income() * KEPT)

    def _income(self) -> float:
        """Tokens a second."""
        return FLOOR + self._share * self._rate
