"""Below which number nothing waits for the first time: so that a lease need not pass what others have taken.

An old snapshot (a report, a forgotten transaction) keeps what was taken in its index; a lease that began at the front
would pass it all, each time. The floor of a line is a hint, and errs on the low side: it follows what this process has
leased only when every transaction that may still bring a lower number has ended, and a lease that began after that has
come as far, for it takes what has the lowest number first. Now and then a lease begins at the front all the same, so
that what was left behind (by a lease that never came to its end, say) is found; and again, until nothing was.
"""

import time
from collections.abc import Collection, Sequence

from forebay.model.delivery import Delivery

#: Seconds between a lease and the look at who was at it then: all that was taken since is passed. And until a lease
#: begins at the front.
LAG, FORGET = 0.5, 30.0
#: Lines that are remembered.
MOST = 10_000


class _Line:
    __slots__ = ("below", "ended", "floor", "front", "looked", "newest", "passing", "since", "until")

    def __init__(self) -> None:
        self.looked = time.monotonic()
        self.front = False  # whether the lease under way begins at the front
        self.floor = self.newest = self.below = 0
        self.since = 0.0
        self.until: int | None = None
        self.ended = self.passing = False  # whether all have ended that may bring less; whether a lease began since


class Floors:
    """The floors of one engine. `begun` and `ended` are numbers of transactions, as a lease tells them."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    def known(self, queues: Sequence[str]) -> dict[str, int]:
        """The floors of the lines of these queues, by name (`line` in SQL), for a lease that begins."""
        if len(self._lines) > MOST:
            self._lines = {}
        wanted, last = set(queues), time.monotonic() - FORGET
        found: dict[str, int] = {}
        for name, line in self._lines.items():
            line.passing = line.ended
            if name.split(" ", 1)[0] in wanted:
                line.front = line.looked < last
                if line.floor and not line.front:
                    found[name] = line.floor
        return found

    def forget(self, queues: Collection[str]) -> None:
        """Nothing is known of these."""
        for name in [name for name in self._lines if name.split(" ", 1)[0] in queues]:
            del self._lines[name]

    def saw(self, taken: Sequence[Delivery], begun: int, ended: int) -> None:
        """A lease took these; no transaction with a number from `begun` on had begun, all below `ended` had ended."""
        come: dict[_Line, int] = {}
        first: dict[_Line, int] = {}
        for one in [one for one in taken if one.receipt > 0]:  # below zero the newest goes first
            line = self._line(f"{one.queue} {one.priority} {one.lane}")
            line.newest = max(line.newest, one.receipt + 1)
            come[line] = max(come.get(line, 0), one.receipt + 1)
            first[line] = min(first.get(line, one.receipt), one.receipt)
        now = time.monotonic()
        for line, lowest in first.items():
            if line.front and lowest >= line.floor:  # nothing was left behind
                line.looked = now
        for line in self._lines.values():
            _follow(line, now, begun, ended)
            if line.passing and come.get(line, 0) > line.below:
                line.floor, line.ended, line.passing = line.below, False, False

    def _line(self, name: str) -> _Line:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = _Line()
        return line


def _follow(line: _Line, now: float, begun: int, ended: int) -> None:
    if line.below == line.floor:
        if line.newest > line.floor:
            line.below, line.since, line.until = line.newest, now, None
    elif line.until is None:
        if now - line.since > LAG:  # whoever had a number by then has begun, or will never
            line.until = begun
    elif ended >= line.until:
        line.ended = True
