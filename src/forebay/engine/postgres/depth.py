"""Queues in numbers: tallies by lane, what gates hold, the age of the oldest, and what lanes wait for."""

from collections.abc import Iterable, Mapping, Sequence
from heapq import nsmallest
from typing import NamedTuple

from forebay.engine.contract import Depth, LaneDepth
from forebay.engine.gating import gate_of
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.metering import meter
from forebay.engine.postgres.writer import TALLIES
from forebay.flow.fair import SLOWLY
from forebay.flow.grant import grant, why
from forebay.flow.lane import parts, passes, shut
from forebay.flow.limit import Level, full_since, kept
from forebay.model.budget import payer
from forebay.model.gate import Gate
from forebay.model.meter import Meter
from forebay.model.queue import Limit

#: What is counted of a queue as a whole, in the order of `depth.sql`.
COUNTED = tuple(name for name in TALLIES if name not in ("ready", "running", "seconds"))
#: Lanes that are told of one queue.
LANES = 100
#: Ready messages of a queue that tells something apart which are few enough to be looked at one by one.
FEW = 10_000


async def depths(db: Database, queues: Sequence[str] | None) -> list[Depth]:
    """One row per queue, by name; the cost depends on the number of queues, lanes and priorities, not of messages.

    Up to `FEW` ready messages of a queue that tells something apart are looked at; it is exact about those.
    """
    now = db.now()
    if now is None:
        now = float((await db.read("now"))[0][0])
    asked = None if queues is None else list(queues)
    about = {row[0]: _About(*row) for row in await db.read("depth_about", asked, now)}
    lanes: dict[str, list[_Lane]] = {}
    totals: dict[str, _Totals] = {}
    for queue, lane, ready, running, closed, counts, seconds in await db.read("depth", asked, now):
        if lane is None:
            *several, size = (max(0, n or 0) for n in counts)
            numbers = dict(zip(COUNTED, several, strict=True))
            totals[queue] = _Totals({**numbers, "running": running}, seconds or 0.0, size)
        else:
            lanes.setdefault(queue, []).append(_Lane(lane, ready, running, closed))
    look = _Look(db, now)
    names = sorted(queues if queues is not None else about)
    sides = {name: await look.sides(about.get(name, _About(name)), lanes.get(name, [])) for name in names}
    none = _Totals(dict.fromkeys((*COUNTED, "running"), 0), 0.0)
    return [
        await look.depth(about.get(name, _About(name)), totals.get(name, none), lanes.get(name, []), sides[name])
        for name in names
    ]


class _About(NamedTuple):
    """A queue: whether all of it is closed, it tells something apart, its keys are in order; its limit, and if full."""

    queue: str
    paused: bool = False
    bounded: bool = False
    ordered: bool = False
    most: int | None = None
    most_bytes: int | None = None
    most_age: float | None = None
    full: float | None = None
    reserve: float | None = None


class _Side(NamedTuple):
    """What is ready in a lane, on one side of the gates: how much, and since when the oldest is."""

    lane: str
    shut: bool
    n: int
    since: float | None


class _Lane(NamedTuple):
    """The tallies of one lane that has some, and whether it is closed."""

    lane: str
    ready: int
    running: int
    shut: bool


class _Totals(NamedTuple):
    """The tallies of a queue, but for what is ready; bytes that wait, where they are bound."""

    numbers: dict[str, int]
    seconds: float
    size: int = 0


class _Look:
    """One look at queues."""

    def __init__(self, db: Database, now: float) -> None:
        self._db, self._now = db, now

    async def sides(self, about: _About, lanes: Sequence[_Lane]) -> list[_Side]:
        """What is ready in a queue, by lane, and what of it gates hold."""
        held = [lane for lane in lanes if lane.ready]
        if not held:
            return []
        if about.bounded and sum(lane.ready for lane in held) <= FEW:
            return [_Side(*row) for row in await self._db.read("depth_apart", about.queue, self._now)]
        if not about.bounded:
            names = [lane.lane for lane in held]
            since = {lane: at for _, lane, at in await self._db.read("oldest", [about.queue] * len(names), names)}
            return [_Side(one.lane, one.shut, one.ready, since.get(one.lane)) for one in held]
        return await self._of_many(about.queue, held)

    async def _of_many(self, queue: str, held: Sequence[_Lane]) -> list[_Side]:
        """Likewise, of many lanes; the oldest on each side of the gates is told with the first of that side."""
        gates = await self._gates(queue)
        shut = [one.shut or (bool(gates) and _is_shut(queue, one.lane, gates)) for one in held]
        sides: list[_Side] = []
        for closed in (False, True):
            some = [one for one, so in zip(held, shut, strict=True) if so is closed]
            if some:
                ((since,),) = await self._db.read("depth_since", queue, [one.lane for one in some])
                sides += [_Side(one.lane, closed, one.ready, since if one is some[0] else None) for one in some]
        return sides

    async def _gates(self, queue: str) -> list[Gate]:
        found = [gate_of(row) for row in await self._db.read("gates", self._now)]
        return [one for one in found if one.queue in ("", queue)]

    async def depth(self, about: _About, totals: _Totals, lanes: Sequence[_Lane], sides: Sequence[_Side]) -> Depth:
        """The numbers of one queue."""
        ready, parked = ([side for side in sides if side.shut is held] for held in (False, True))
        waiting = sum(side.n for side in sides) + totals.numbers["scheduled"]
        limit = Limit(messages=about.most, size=about.most_bytes, age=about.most_age, reserve=about.reserve or 0.0)
        return Depth(
            queue=about.queue,
            ready=sum(side.n for side in ready),
            parked=sum(side.n for side in parked),
            age=self._age(ready),
            held=self._age(parked),
            paused=about.paused,
            lanes=await self._lanes(about, lanes, sides),
            seconds=totals.seconds,
            limit=about.most,
            limit_bytes=about.most_bytes,
            size=totals.size if about.most_bytes is not None else 0,
            reserved=kept(limit),
            full=full_since(limit, about.full or 0.0, Level(waiting, size=totals.size, age=self._age(sides))),
            **totals.numbers,
        )

    def _age(self, sides: Iterable[_Side]) -> float:
        return max([0.0, *(self._now - side.since for side in sides if side.since is not None)])

    async def _lanes(self, about: _About, lanes: Sequence[_Lane], sides: Sequence[_Side]) -> tuple[LaneDepth, ...]:
        """The deepest of those that are not just the main one."""
        running = {lane.lane: lane.running for lane in lanes if lane.running}
        ready: dict[str, dict[bool, int]] = {}
        for side in sides:
            ready.setdefault(side.lane, {})[side.shut] = side.n
        depth = {lane: -sum(by_side.values()) for lane, by_side in ready.items()}
        names = nsmallest(LANES, {*ready, *running} - {""}, key=lambda lane: (depth.get(lane, 0), lane))
        waits = await self._waits(about, [name for name in names if name in ready]) if about.bounded else {}
        found = [self._lane(name, ready.get(name, {}), running.get(name, 0), waits.get(name)) for name in names]
        if about.bounded and sides:
            found = [*await self._main(about, ready.get("", {})), *found]
        return tuple(found[:LANES])

    async def _main(self, about: _About, ready: Mapping[bool, int]) -> list[LaneDepth]:
        """The main lane of a queue that has a meter of its own, which stands for the queue."""
        own = [meter(row) for row in await self._db.read("meters", [f"queue:{about.queue}"], self._now)]
        answers = [(one, grant(one, self._now, 1)) for one in own]
        return [
            LaneDepth(
                lane="", ready=ready.get(False, 0), parked=ready.get(True, 0), running=one.running,
                go=self._now if answer.n else answer.again, why=why(one, self._now),
            )
            for one, answer in answers
        ]  # fmt: skip

    def _lane(self, name: str, ready: Mapping[bool, int], running: int, waits: "_Waits | None") -> LaneDepth:
        go, text = (self._now, "") if waits is None else waits.said(self._now)
        if True in ready and False not in ready:
            go, text = None, "closed"
        return LaneDepth(
            lane=name, ready=ready.get(False, 0), parked=ready.get(True, 0), running=running, go=go if ready else None,
            why=text,
        )  # fmt: skip

    async def _waits(self, about: _About, lanes: Sequence[str]) -> "dict[str, _Waits]":
        """What may be in the way of these lanes."""
        first: dict[str, str] = {}
        if about.ordered and lanes:
            first = dict(await self._db.read("depth_first", about.queue, lanes))
        names = {
            lane: passes(about.queue, first.get(lane, lane), parts(lane).task or "", parts(lane).key)[1:]
            for lane in lanes
        }
        wanted = sorted({name for several in names.values() for name in several})
        found = {row[0]: meter(row) for row in await self._db.read("meters", wanted, self._now)} if wanted else {}
        held: dict[str, float | None] = {}
        if about.ordered:
            held = dict(await self._db.read("depth_held", about.queue, lanes))
        slow = {lane for (lane,) in await self._db.read("depth_slow", about.queue, lanes)} if lanes else set[str]()
        return {
            lane: _Waits([one for name, one in found.items() if payer(name) in several], held.get(lane), lane in slow)
            for lane, several in names.items()
        }


class _Waits(NamedTuple):
    """What the first message of a lane has to pass, until when one that is tried again keeps its place, and whether
    there is no room for a slow one.
    """

    meters: Sequence[Meter]
    held: float | None
    slow: bool

    def said(self, now: float) -> tuple[float | None, str]:
        """When the lane may go, None if that takes a free slot; and why not now, in the scheduler's words."""
        text = next((text for one in self.meters if (text := why(one, now))), "")
        if not text and self.held is not None and self.held > now:
            text = f"an earlier one of it is tried again first, in {self.held - now:.3g} s"
        if self.slow:
            return None, text or SLOWLY
        answers = [grant(one, now, 1) for one in self.meters]
        if any(answer.n == 0 and answer.again is None for answer in answers):
            return None, text
        times = [now if answer.n else answer.again or now for answer in answers]
        return max([now, *times, *([] if self.held is None else [self.held])]), text


def _is_shut(queue: str, lane: str, gates: Sequence[Gate]) -> bool:
    named = parts(lane)
    return any(shut(one, queue, named.lane, named.task or "", named.key) for one in gates)
