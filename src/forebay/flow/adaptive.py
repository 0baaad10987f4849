"""How many tasks a worker runs at a time, if it finds that out by itself: fewer while they take longer, or time out.

Pure. A gradient on run times (as Netflix's concurrency-limits has it: how long tasks take now, against what is usual),
with a decrease by a fixed part where they time out (AIMD). What is usual is kept for each task by itself, so that a
slow kind of task beside a fast one is no overload.

Two things are told apart that look alike: a service that answers the slower the more it is asked, and work that has
become more. If half as many at a time take as long as before, fewer do not help: that is what is usual from then on.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

#: Seconds between two steps, and ends that one is judged by, at the least; fewer are kept for the next.
STEP, ENOUGH = 1.0, 10
#: Times as long as usual that tasks may take without anything being done about it.
TOLERANCE = 2.0
#: The most that one step takes away, as a part: where they take long, and where they time out.
SLOWER, LATE = 0.25, 0.3
#: Part of the ends that may have timed out, and how many at the least say something.
SOME, FEW = 0.1, 2
#: What one step gives back: a part of what there is, and one.
BACK = 0.2
#: How much of a shorter, and of a longer run time becomes what is usual in one step.
DOWN, UP = 0.3, 0.002
#: With this part of the limit at which it began to lower, run times have to be at most so much of what they were then.
HALF, HELPED = 0.5, 0.8


class Seen(NamedTuple):
    """How a task ended since the last step: how often, in how many seconds together, how many of them timed out."""

    n: int
    seconds: float
    late: int = 0

    def plus(self, seconds: float, *, late: bool) -> "Seen":
        """With one more."""
        return Seen(self.n + 1, self.seconds + seconds, self.late + late)


class Adaptive(msgspec.Struct, frozen=True):
    """How it stands.

    Attributes:
        limit: how many may run; a part of one counts for the next step.
        usual: by task, how long one takes usually, seconds.
        began: at which limit it was that tasks began to take longer, and how many times as long; None if they do not.
        stretch: how many times as long as usual they took at the last step.
    """

    limit: float
    usual: Mapping[str, float] = {}
    began: tuple[float, float] | None = None
    stretch: float = 1.0

    @property
    def slots(self) -> int:
        """How many may run."""
        return max(1, int(self.limit + 1e-9))


def telling(now: Adaptive, task: str, seconds: float, *, failed: bool) -> bool:
    """Whether an end says how long a task takes: a failure that comes sooner than usual does not.

    What fails at once while a service is away would become what is usual, and the first answers after that an overload.
    """
    return not failed or seconds >= now.usual.get(task, math.inf)


def step(now: Adaptive, most: int, seen: Mapping[str, Seen]) -> Adaptive:
    """After what was seen.

    Args:
        most: how many may run if all is well.
        seen: by task; without any, nothing ran, and there is nothing to be careful about.
    """
    n, late = sum(one.n for one in seen.values()), sum(one.late for one in seen.values())
    if not n:
        return _more(now, most)
    if late >= max(FEW, SOME * n):
        return replace(now, limit=max(1.0, now.limit * (1 - LATE)))
    usual = {**{task: one.seconds / one.n for task, one in seen.items()}, **now.usual}
    expected = sum(usual[task] * one.n for task, one in seen.items())
    stretch = sum(one.seconds for one in seen.values()) / max(expected, 1e-9)
    now = replace(now, usual=usual, stretch=stretch)
    if stretch <= TOLERANCE:
        return _more(replace(now, usual=_learned(usual, seen), began=None), most)
    limit, before = now.began or (now.limit, stretch)
    if now.limit <= limit * HALF and stretch > before * HELPED:
        return replace(now, usual={**usual, **{task: one.seconds / one.n for task, one in seen.items()}}, began=None)
    less = max(1 - SLOWER, TOLERANCE / stretch)
    return replace(now, limit=max(1.0, now.limit * less), began=(limit, before))


def _more(now: Adaptive, most: int) -> Adaptive:
    return replace(now, limit=min(float(most), now.limit * (1 + BACK) + 1))


def _learned(usual: Mapping[str, float], seen: Mapping[str, Seen]) -> dict[str, float]:
    """What is usual follows what is seen: soon where it is shorter, slowly where it is longer."""
    learned = dict(usual)
    for task, one in seen.items():
        off = one.seconds / one.n - learned[task]
        learned[task] += off * (DOWN if off < 0 else UP)
    return learned
