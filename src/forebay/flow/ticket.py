"""The ticket of a message that waits: how many are ahead of it, and when it is expected to start.

Pure: from what an engine says of a queue, its workers, gates and meters. An estimate, and None where nobody knows: no
worker serves the queue, a gate is closed without an end, or nothing has ever ended by which a run time could be told.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from forebay.flow.grant import opens
from forebay.flow.lane import parts
from forebay.model.meter import Meter

#: Seconds between two readings by which a pace is told at the least, and how old one may be.
STEP, WINDOW = 1.0, 60.0


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A queue at one time: `at` is of a monotonic clock, `ended` and `seconds` count all attempts since it was made."""

    at: float
    ended: int
    seconds: float
    ready: int


class Pace(msgspec.Struct, frozen=True, gc=False):
    """How fast a queue moves.

    Attributes:
        seconds: the run time of an attempt, lately; None if none has ever ended.
        rate: attempts that ended in a second, lately; None unless something waited all the time.
    """

    seconds: float | None = None
    rate: float | None = None


def pace(before: Reading | None, now: Reading) -> Pace:
    """By two readings, if enough lies between them; else by all that has ever ended."""
    ever = now.seconds / now.ended if now.ended > 0 else None
    if before is None or now.at - before.at < STEP or now.ended <= before.ended or now.seconds < before.seconds:
        return Pace(ever)
    ended, seconds = now.ended - before.ended, now.seconds - before.seconds
    waited = before.ready > 0 and now.ready > 0
    return Pace(seconds / ended, ended / (now.at - before.at) if waited else None)


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What is known around a message that waits.

    Attributes:
        now: by the store's clock, as all times here: seconds since the epoch.
        ahead: how many start before it of its own line.
        among: how many start before it of the whole queue; see `crowd`.
        due: when it is due, if it is scheduled.
        slots, free: of the workers that serve the queue and can lease; how many of them run nothing.
        shared: meters of the whole queue. own: those that its own line passes beside them.
        shut: when each gate opens that holds it; None for one that does not by itself.
    """

    now: float
    ahead: int
    among: int
    due: float | None = None
    slots: int = 0
    free: int = 0
    pace: Pace = Pace()
    shared: Sequence[Meter] = ()
    own: Sequence[Meter] = ()
    shut: Sequence[float | None] = ()


def expected(line: Line) -> float | None:
    """When it is expected to start, seconds since the epoch: the latest of what holds it up. None if nobody knows."""
    if line.slots <= 0 or None in line.shut:
        return None
    begin = max(line.now, line.due or 0.0, *(until or 0.0 for until in line.shut))
    known = [_of_workers(line, begin)]
    known += [_of_meter(meter, line.among + 1, line.pace.seconds, begin) for meter in line.shared]
    known += [_of_meter(meter, line.ahead + 1, line.pace.seconds, begin) for meter in line.own]
    times = [time for time in known if time is not None]
    return max(times) if len(times) == len(known) else None


def _of_workers(line: Line, begin: float) -> float | None:
    """When a worker has a slot for it: as fast as the queue moved lately, or by run time and slots."""
    later = line.among + 1 - line.free
    if later > 0 and line.pace.rate:
        return begin + later / line.pace.rate
    return _of_slots(later, line.slots, line.pace.seconds, begin)


def _of_slots(later: int, slots: int, seconds: float | None, begin: float) -> float | None:
    """When so many slots have become free."""
    if later <= 0:
        return begin
    return None if seconds is None else begin + later * seconds / slots


def _of_meter(meter: Meter, nth: int, seconds: float | None, begin: float) -> float | None:
    """When a meter lets the `nth` from now on through."""
    by_rate = opens(meter, begin, nth)
    if meter.slots is None:
        return by_rate
    by_slots = _of_slots(nth - max(0, meter.slots - meter.running), max(1, meter.slots), seconds, begin)
    return None if by_slots is None else max(by_rate, by_slots)


#: How it ends that is said of a lane whose first message is behind a closed gate.
CLOSED = "closed"


class Lane(Protocol):
    """A lane in numbers, as `engine.contract.LaneDepth` has it."""

    @property
    def go(self) -> float | None: ...
    @property
    def lane(self) -> str: ...
    @property
    def ready(self) -> int: ...
    @property
    def parked(self) -> int: ...
    @property
    def why(self) -> str: ...


def lane_of(lanes: Sequence[Lane], mine: str, task: str, key: str | None) -> str:
    """In which of these lanes a message waits, as far as they tell; "" for the main one.

    Args:
        mine: where it was put, and the meters that it names; see `flow.lane.own`.
    """
    fits = [one.lane for one in lanes if one.lane and _fits(one.lane, mine, task, key)]
    return max(fits, key=len, default="")


def _fits(lane: str, mine: str, task: str, key: str | None) -> bool:
    its, whose = parts(lane), parts(mine)
    if its.task not in (None, task) or its.key not in (None, key):
        return False
    alone = its.key is not None and not its.lane and not its.meters and its.task is None  # the line of an ordered key
    return alone or (its.lane == whose.lane and its.meters in (whose.meters, ()))


def waiting(lanes: Sequence[Lane], ready: int, name: str) -> int:
    """How many are ready, or would be but for a gate, in the lane of that name.

    Args:
        ready: of the whole queue, parked ones with them.
    """
    special = {one.lane: one.ready + one.parked for one in lanes if one.lane}
    return special.get(name, 0) if name else max(0, ready - sum(special.values()))


def crowd(lanes: Sequence[Lane], ready: int, name: str, ahead: int) -> int:
    """How many of the whole queue start before one with so many ahead in its lane: lanes take turns.

    Of its own round half of the others come before it. Those that wait at a limit of their own hardly take a turn.
    """
    others = [waiting(lanes, ready, "")] if name else []
    others += [one.ready for one in lanes if one.lane not in ("", name) and not one.why]
    return ahead + int(sum(min(n, ahead + 0.5) for n in others))


def late(due: float | None, expires: float, *, held: bool) -> str:
    """What to do about a message that is expected to expire before it starts.

    Args:
        held: something is known that holds it up.
    """
    if due is not None and due >= expires:
        return "it expires before it is due: give it a longer expires= (or its queue a longer ttl=), or less delay="
    help_ = "see what holds it up" if held else "more workers"
    return f"{help_}, or a longer expires=; `using(in_time=True)` refuses such ones at once"
