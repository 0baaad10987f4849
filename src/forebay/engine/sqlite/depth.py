"""Queues in numbers: the tallies that every transaction keeps, what is held back by gates, and the age of the oldest.

Costs what there are queues, lanes that hold something, and priorities; only where a gate holds a part of a queue, and
no more than `FEW` wait there, they are counted one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from forebay.engine.contract import Depth, LaneDepth
from forebay.engine.gating import what_of
from forebay.engine.sqlite import filling, limits, named, rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.gates import SHUT, all_closed
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.stirring import OVER
from forebay.engine.sqlite.weighing import BYTES
from forebay.flow.fair import SLOWLY
from forebay.flow.grant import grant, why
from forebay.flow.lane import Split, key_lane, parts, shut
from forebay.flow.limit import Level, full_since, kept
from forebay.model.gate import Gate
from forebay.model.queue import Limit

#: Ready messages that are few enough to be looked at one by one, and lanes that are told of a queue.
FEW, LANES = 20_000, 100

_OTHERS = {"queue", "age", "held", "paused", "lanes", "seconds", "limit", "limit_bytes", "size", "reserved", "full"}
_FIELDS = frozenset(Depth.__struct_fields__) - _OTHERS
_SINCE = "case when due is null then created else due end"
_ONE_BY_ONE = f"select {SHUT} as shut, count(*), min({_SINCE}) from message where state = 1 and queue = ? group by 1"  # noqa: S608
#: Where keys are in order, those behind one that is held are held as well.
_EACH = (
    f"select seq, key, priority, holds, {SHUT} as shut, {_SINCE} as since from message where state = 1 and queue = ?"  # noqa: S608
)
_FIRST = "first_value(shut) over (partition by key order by holds is not null desc, priority desc, seq)"
_HELD = f"select case when key is null then shut else max(shut, {_FIRST}) end as held, since from ({_EACH})"  # noqa: S608
_IN_ORDER = f"select held, count(*), min(since) from ({_HELD}) group by 1"  # noqa: S608


class _Part(NamedTuple):
    """What is ready in a queue on one side of its gates: how much, and since when the oldest is."""

    n: int = 0
    since: float | None = None


class _Row(NamedTuple):
    """A row of table `lane`."""

    lane: str
    n: int
    go: float | None
    waits: str | None
    running: int
    tat: float | None


def depths(db: Database, queues: Sequence[str] | None) -> list[Depth]:
    """One row per queue, by name."""
    known = db.read("select cast(name as blob) from queue") if queues is None else ()
    names = sorted(queues if queues is not None else (rows.text(name) for (name,) in known))
    tallies: dict[str, dict[str, Any]] = {}
    for queue, name, n in db.read(sql("tallies")):  # below 0, if somebody else put rows into the file
        tallies.setdefault(rows.text(queue), {})[rows.text(name)] = max(0, n)
    look = _Look(db, [name for name in names if tallies.get(name, {}).get("ready")])
    return [look.depth(name, tallies.get(name, {})) for name in names]


class _Look:
    """One look at the queues; `ready` names those in which something is."""

    def __init__(self, db: Database, ready: Sequence[str]) -> None:
        self._db, self._now = db, db.clock.now()
        self._gates = all_closed(db)
        self._told = {name: limits.split(blob) for name, blob in db.read(sql("limited"))}
        held = db.read("select cast(name as blob), room, drain from queue indexed by queue_room where room is not null")
        self._held = {rows.text(name): (filling.limit(room), filling.drain_of(drain)) for name, room, drain in held}
        self._fresh: dict[str, dict[str, float]] = {}
        self._back: dict[str, float] = {}
        if ready:
            for queue, lane, since in db.read(sql("oldest"), (rows.many(ready),)):
                self._fresh.setdefault(queue, {})[lane] = since
            found = db.read(sql("oldest_back"), (rows.many(ready),))
            self._back = {queue: since for queue, since in found if since is not None}

    def depth(self, queue: str, tally: dict[str, int]) -> Depth:
        """The numbers of one queue."""
        fields = {name: n for name, n in tally.items() if name in _FIELDS}
        gates = [gate for gate in self._gates if gate.queue in ("", queue)]
        paused = any(gate.lane is None and gate.task is None and gate.key is None for gate in gates)
        lanes = self._rows(queue)
        ready, parked = self._sides(queue, fields.pop("ready", 0), gates, lanes, paused=paused)
        limit, drain = self._held.get(queue, (Limit(), None))
        size = tally.get(BYTES, 0) if limit.size is not None else 0
        waiting, age = ready.n + parked.n + fields.get("scheduled", 0), max(self._age(ready), self._age(parked))
        level = Level(waiting, size=size, age=age)
        return Depth(
            queue=queue, ready=ready.n, parked=parked.n, age=self._age(ready), held=self._age(parked), paused=paused,
            limit=limit.messages, limit_bytes=limit.size, size=size, reserved=kept(limit),
            full=0.0 if drain is None else full_since(limit, drain.full, level),
            lanes=self._lanes(queue, lanes, gates, ready.n + parked.n), seconds=tally.get("micros", 0) / 1e6, **fields,
        )  # fmt: skip

    def _age(self, part: _Part) -> float:
        return max(0.0, self._now - part.since) if part.n and part.since is not None else 0.0

    def _rows(self, queue: str) -> list[_Row]:
        text = "select cast(lane as blob), n, go, cast(waits as blob), running, tat from lane where queue = ?"
        found = self._db.read(text, (queue,))
        return [_Row(rows.text(lane), n, go, waits and rows.text(waits), *more) for lane, n, go, waits, *more in found]

    def _sides(
        self, queue: str, n: int, gates: Sequence[Gate], lanes: Sequence[_Row], *, paused: bool
    ) -> tuple[_Part, _Part]:
        """What is ready in a queue, and what is parked."""
        fresh = self._fresh.get(queue, {})
        everything = _Part(n, _first([*fresh.values(), self._back.get(queue)]))
        if paused or not gates or not n:
            return (_Part(), everything) if paused else (everything, _Part())
        if n <= FEW:
            told = self._told.get(queue)
            text = _IN_ORDER if told is not None and told.spec.ordered else _ONE_BY_ONE
            found = {bool(held): _Part(count, since) for held, count, since in self._db.read(text, (self._now, queue))}
            return found.get(False, _Part()), found.get(True, _Part())
        waits = {f"gate:{what_of(gate)}" for gate in gates}
        held = {lane.lane for lane in lanes if lane.waits in waits or _is_shut(queue, lane.lane, gates)}
        count = sum(lane.n for lane in lanes if lane.lane in held)
        if "" in held:
            count += n - sum(lane.n for lane in lanes)
        since = [_first([at for lane, at in fresh.items() if (lane in held) is side]) for side in (False, True)]
        return _Part(max(0, n - count), _first([since[0], self._back.get(queue)])), _Part(count, since[1])

    def _lanes(self, queue: str, lanes: Sequence[_Row], gates: Sequence[Gate], n: int) -> tuple[LaneDepth, ...]:
        """The deepest of those that are not just the main one; `n` are ready in all."""
        special = [lane for lane in lanes if lane.lane and (lane.n or lane.running)]
        deepest = sorted(special, key=lambda lane: (-lane.n, lane.lane))[:LANES]
        by_name = {lane.lane: lane for lane in lanes}
        found, told = [self._lane(queue, lane, by_name, gates) for lane in deepest], self._told.get(queue)
        if n and told is not None and told.metered:
            left = max(0, n - sum(lane.n for lane in lanes if lane.lane))
            found.insert(0, self._main(queue, left, held=_is_shut(queue, "", gates)))
        return tuple(found[:LANES])

    def _main(self, queue: str, n: int, *, held: bool) -> LaneDepth:
        """The main lane of a queue that has a meter of its own, which stands for the queue."""
        meter = named.meter(self._db.read(sql("meter"), (f"queue:{queue}",))[0])
        answer = grant(meter, self._now, 1)
        return LaneDepth(
            lane="", ready=0 if held else n, parked=n if held else 0, running=meter.running,
            go=self._now if answer.n else answer.again, why=why(meter, self._now),
        )  # fmt: skip

    def _lane(self, queue: str, lane: _Row, by_name: Mapping[str, _Row], gates: Sequence[Gate]) -> LaneDepth:
        held = _is_shut(queue, lane.lane, gates)
        go = None if lane.waits is not None or lane.go is None or lane.go > OVER / 2 else max(lane.go, 0.0) or self._now
        told = self._told.get(queue)
        return LaneDepth(
            lane=lane.lane, ready=0 if held else lane.n, parked=lane.n if held else 0, running=lane.running, go=go,
            why="closed" if held else "" if told is None else self._why(queue, lane, by_name, told),
        )  # fmt: skip

    def _why(self, queue: str, lane: _Row, by_name: Mapping[str, _Row], told: Split) -> str:
        """What keeps a lane that no gate holds; one that waits for a gate or a meter said so of its first message."""
        kind, _, thing = (lane.waits or "").partition(":")
        if kind == "gate":
            return f"the first of it is of {' '.join(thing.split(':', 1))}, which is closed"
        if kind == "slow":
            return SLOWLY
        told_of = [thing] if kind == "meter" else parts(lane.lane).meters
        text = next((text for name in told_of if (text := self._at(name))), "")
        return text if text or kind == "meter" else self._why_key(queue, lane, by_name, told)

    def _why_key(self, queue: str, lane: _Row, by_name: Mapping[str, _Row], told: Split) -> str:
        """What the meter of its key says."""
        key = parts(lane.lane).key
        if key is None or not told.keyed:
            return ""
        mine = by_name.get(key_lane(key))
        text = why(limits.key_meter("", told, mine.running, mine.tat), self._now) if mine else ""
        if not text and told.spec.ordered and lane.go is not None and self._now < lane.go < OVER / 2:
            first = self._db.read(sql("line"), (queue, self._now, lane.lane, 1))
            passed = parts(first[0][4]).meters if first else ()  # its own, of which the name of the lane says nothing
            tried = f"an earlier one of it is tried again first, in {lane.go - self._now:.3g} s"
            return next((said for name in passed if (said := self._at(name))), tried)
        return text

    def _at(self, name: str) -> str:
        """What a meter says, or a budget beside it."""
        read = self._db.read
        found = [named.known(read, one) for one in (name, *named.beside(read, name))]
        return next((text for one in found if one is not None and (text := why(one, self._now))), "")


def _is_shut(queue: str, lane: str, gates: Sequence[Gate]) -> bool:
    named = parts(lane)
    return any(shut(gate, queue, named.lane, named.task or "", named.key) for gate in gates)


def _first(times: Sequence[float | None]) -> float | None:
    return min([time for time in times if time is not None], default=None)
