"""A CPU quota that holds this process and its workers up, as Linux tells it: said when it comes, and when it is over.

Whoever has used a quota up stands still for the rest of each period, all processes at once: tasks take ten times as
long, heartbeats come late, and no list of processes shows why.
"""

import contextlib
import logging
import re
from collections.abc import Callable
from typing import NamedTuple

from forebay.work.shortage import told_of

_logger = logging.getLogger("forebay.keeper")
#: Seconds between looks; of how many periods (0.1 s each) since the last one something can be said.
LOOK, _FEW = 10.0, 20
#: Parts of the periods in which somebody was held up, from which it is told, and below which it is over.
MUCH, LITTLE = 0.5, 0.1
#: Looks in a row that have to be so until it is over: a service may have had nothing to do for one of them.
QUIET = 3
_COUNT = re.compile(r"^nr_(periods|throttled) (\d+)$", re.MULTILINE)


class Counts(NamedTuple):
    """Periods in which something ran, and in how many of them it was stopped; since the group was made."""

    periods: int
    throttled: int


def counts(text: str) -> Counts | None:
    """What a `cpu.stat` says; nothing where there is no quota to count for."""
    found = {name: int(number) for name, number in _COUNT.findall(text)}
    return Counts(found["periods"], found["throttled"]) if len(found) == 2 else None


def held(before: Counts, now: Counts) -> float | None:
    """In which part of the periods between two looks somebody was held up; None of too few of them to say."""
    periods = now.periods - before.periods
    return (now.throttled - before.throttled) / periods if periods >= _FEW else None


class Quota:
    """What the log has heard of it.

    Args:
        read: asked for the counts at each look.
    """

    def __init__(self, read: Callable[[], Counts | None] | None = None) -> None:
        self._read = read or _read
        self._before, self._told, self._quiet = self._read(), False, 0

    async def look(self) -> None:
        """Say it, unless it has been said."""
        before, self._before = self._before, self._read()
        if before is None or self._before is None:
            return
        part = held(before, self._before)
        self._quiet = self._quiet + 1 if (part or 0.0) < LITTLE else 0
        if part is not None and part >= MUCH and not self._told:
            _logger.warning(
                "the CPU quota of this service holds it up, in %.0f %% of the time that it works: all of it is slow, "
                "heartbeats may be late. Raise it (CPUQuota=, --cpus, limits.cpu), or run less at a time (-c, -p)",
                100 * part,
            )
            self._told = True
        elif self._told and self._quiet >= QUIET:
            _logger.info("the CPU quota of this service holds it up no more")
            self._told = False


def _read() -> Counts | None:
    for file in told_of("cpu", "cpu.stat", "cpu.stat"):
        with contextlib.suppress(OSError):
            return counts(file.read_text())
    return None
