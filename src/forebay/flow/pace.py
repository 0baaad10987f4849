"""How fast tasks may go that feed a queue which has come over its mark: about as fast as that queue drains. Pure.

A gate alone lets as many through as there are free slots each time that it opens, and the queue is over its mark again.
At a rate it fills by and by, each stage before it drains as evenly as the last one, and the first producer can be told
when there is room.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from forebay.flow.pressure import Fed, Level

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

#: How many have to leave a queue, and in how many seconds at the least and at the most, to know how fast it drains.
ENOUGH, SOON, LONG = 40, 2.0, 60.0

#: A queue, and a task of it.
Who = tuple[str, str]


class Pace(msgspec.Struct, frozen=True):
    """How many messages of a task may start in a second.

    Attributes:
        since: when that was said. queue: which one drains like that.
        eased: how often it was doubled since that queue is down again.
    """

    rate: float
    since: float
    queue: str
    eased: int = 0


#: Paces as they were read, each with the generation of its row.
Paces = dict[Who, tuple[Pace, int]]
_unpack = msgspec.msgpack.Decoder(Pace).decode


class Row(Protocol):
    """A row of a policy, as `store.records.Steered` has it."""

    @property
    def name(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def generation(self) -> int: ...


def paces_of(rows: Sequence[Row]) -> Paces:
    """Those that stand in rows."""
    found = Paces()
    for row in rows:
        if row.name.startswith(ROW):
            queue, _, task = row.name.removeprefix(ROW).partition(":")
            try:
                found[queue, task] = _unpack(row.body), row.generation
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # another edition's
    return found


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


class _Look(NamedTuple):
    """When a queue was looked at, how many had left it, and for how long, and how many left, while something waited."""

    at: float
    drained: int
    waiting: int
    busy: float = 0.0
    left: int = 0


class Drains:
    """How fast queues drain while something waits in them, from what was seen of them.

    What leaves a queue that runs dry says how fast it is fed. To feed it as fast as that would starve it more and more.
    """

    def __init__(self) -> None:
        self._seen: dict[str, deque[_Look]] = {}

    def see(self, levels: Mapping[str, Level], now: float) -> dict[str, float]:
        """Messages a second that leave each queue, where that is known."""
        self._seen = {queue: self._seen.get(queue, deque(maxlen=400)) for queue in levels}
        for queue, level in levels.items():
            seen = self._seen[queue]
            if seen and (now < seen[-1].at or level.drained < seen[-1].drained):
                seen.clear()
            seen.append(_looked(seen[-1] if seen else None, level, now))
        rates = {queue: _rate(seen) for queue, seen in self._seen.items()}
        return {queue: rate for queue, rate in rates.items() if rate is not None}


def _looked(before: _Look | None, level: Level, now: float) -> _Look:
    if before is None or not (before.waiting and level.waiting):
        was = before or _Look(now, 0, 0)
        return _Look(now, level.drained, level.waiting, was.busy, was.left)
    busy, left = before.busy + now - before.at, before.left + level.drained - before.drained
    return _Look(now, level.drained, level.waiting, busy, left)


def _rate(seen: deque[_Look]) -> float | None:
    last = seen[-1]
    busy, left = 0.0, 0
    for look in reversed(seen):
        if last.at - look.at > LONG:
            break
        busy, left = last.busy - look.busy, last.left - look.left
        if busy >= SOON and left >= ENOUGH:
            break
    return left / busy if busy >= SOON else None
