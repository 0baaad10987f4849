"""How fast tasks may go that feed a queue which has come over its mark: about as fast as that queue drains. Pure.

A gate alone lets as many through as there are free slots each time that it opens, and the queue is over its mark again.
At a rate it fills by and by, each stage before it drains as evenly as the last one, and the first producer can be told
when there is room.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from forebay.flow.pressure import Fed

#: How a row begins in which it is kept how fast a task may go.
ROW = "pace:"
#: How much more or less than what drains may come in, for each part of its mark that a queue is below or above the
#: middle between its marks; and at the least and at the most.
GAIN, SLOW, FAST = 2.0, 0.8, 1.5
#: Starts a second, at the least.
LEAST = 0.2
#: How much a rate has to differ to be written down anew.
SAME = 0.1
#: Seconds between two steps when a queue is down again: at each the rate is doubled; and how many, until there is none.
STEP, STEPS = 1.0, 5

#: A queue, and a task of it.
Who = tuple[str, str]


class Pace(msgspec.Struct, frozen=True):
    """How many messages of a task may start in a second.

    Attributes:
        since: when that was said. queue: which one drains like that.
        eased: how often it was doubled since that queue is down again.
        meter: the generation of the meter that says it.
    """

    rate: float
    since: float
    queue: str
    eased: int = 0
    meter: int = 0


def paces(fed: Sequence[Fed], drains: Mapping[str, float], before: Mapping[Who, Pace], now: float) -> dict[Who, Pace]:
    """How fast who may go; the very same `Pace` if it goes on as it was.

    Args:
        fed: the queues that have a mark, as they stand.
        drains: messages a second that leave a queue, where that is known.
        before: as it was.
    """
    rates = dict[Who, tuple[float, str]]()
    for one in fed:
        who = {(feed.source, feed.task) for feed in one.feeds if not feed.consumer}
        presses = one.over or one.waiting > one.bound.low / 2
        if one.queue in drains and presses:
            rate = max(LEAST, drains[one.queue] * _spare(one) / max(1, len(who)))
            for task in who:
                if one.over or task in before:
                    rates[task] = min((rate, one.queue), rates.get(task, (rate, one.queue)))
    after = {task: _kept(before.get(task), rate, queue, now) for task, (rate, queue) in rates.items()}
    for task, pace in before.items():
        if task not in after and (eased := _eased(pace, now)) is not None:
            after[task] = eased
    return after


def _spare(one: Fed) -> float:
    """How much of what drains may come in: more while there is room, less while there is not."""
    bound = one.bound
    middle = (bound.low + (bound.high or 0)) / 2
    return min(FAST, max(SLOW, 1.0 + GAIN * (middle - one.waiting) / max(1, bound.most)))


def _kept(before: Pace | None, rate: float, queue: str, now: float) -> Pace:
    if before is None:
        return Pace(rate, now, queue)
    if not before.eased and before.queue == queue and abs(rate - before.rate) <= SAME * before.rate:
        return before
    return replace(before, rate=rate, since=now, queue=queue, eased=0)


def _eased(pace: Pace, now: float) -> Pace | None:
    if 0 <= now - pace.since < STEP:
        return pace
    if pace.eased >= STEPS:
        return None
    return replace(pace, rate=pace.rate * 2, since=now, eased=pace.eased + 1)
