"""The governor of pressure: writes down who feeds whom, sees how full queues are, and holds or lets go of tasks.

Each worker has one, and none leads: what is known stands in rows that are changed by compare-and-set, what follows from
it says `flow.pressure`, and gates are closed until a short deadline, so that nothing stays held by who has died. Where
no queue has a limit or a mark, it looks at a few rows every few seconds.
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace

from forebay.engine.contract import Depth
from forebay.engine.waiting import call_in
from forebay.flow import pace
from forebay.flow.pressure import AGED, Hold, Judged, Level, judge, stage_of
from forebay.model.gate import Gate
from forebay.model.queue import QueueSpec
from forebay.model.topology import PRESSURE, ROW, Edge, Feed, Mark, Stage
from forebay.store.contract import Store
from forebay.store.records import Steered
from forebay.work import pacing
from forebay.work.feeding import Feeding
from forebay.work.rounds import Rounds

_logger = logging.getLogger("forebay.pressure")
#: Seconds between two looks: while a queue is filling or over its mark; else; where nothing can be. And at the least.
TICK, QUIET, IDLE, SOONEST = 0.2, 1.0, 5.0, 0.02
#: Seconds after which a gate opens by itself, unless it is closed again; and those left when it is.
DEADLINE, RENEW = 10.0, 5.0
#: Workers that may look as often as that; more of them look less often. Seconds between two looks at who they are.
CROWD, WHO = 4, 2.0
#: The part of its mark from which on a queue is filling.
_FILLING = 0.5

_pack = msgspec.msgpack.Encoder().encode


class Counts(Protocol):
    """An engine, as far as this goes."""

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]: ...


class Declares(Protocol):
    """What an app has declared, as far as this goes."""

    @property
    def queues(self) -> Mapping[str, QueueSpec]: ...


class App(Protocol):
    """An app, as far as this goes."""

    @property
    def engine(self) -> Counts: ...
    @property
    def store(self) -> Store: ...
    @property
    def registry(self) -> Declares: ...


class Row(NamedTuple):
    """A row as it was read, and as it is to be."""

    before: Stage | None
    after: Stage
    generation: int


class Pressure:
    """One per worker.

    Args:
        feeding: what is gathered in this process.
        app: an app.
        mild: it takes the place of another: what was said of a queue stands, a newer version may have said it.
    """

    def __init__(self, app: App, feeding: Feeding, *, mild: bool = False) -> None:
        self._mild = mild
        self._app, self._store, self._engine, self._feeding = app, app.store, app.engine, feeding
        self._used: dict[Edge, None] = {}
        self._rounds = Rounds(_logger, "the look at who feeds whom", soonest=SOONEST, again=QUIET)
        loop = asyncio.get_running_loop()
        feeding.wake = partial(call_in, loop, self._rounds.wake.set)
        self._slots, self._drains = dict[str, int](), pace.Drains()
        self._workers, self._asked, self._holding = 1, 0.0, False

    async def declare(self) -> None:
        """Keep with each queue what the app says of it beside its limit."""
        rows = rows_of(await self._store.steered())
        for spec in [spec for spec in self._app.registry.queues.values() if not spec.assumed]:
            row = rows.get(spec.name, Row(None, Stage(queue=spec.name), 0))
            if row.before is None or not self._mild:
                rows[spec.name] = row._replace(after=replace(row.after, mark=mark_of(spec)))
        await self._write(rows)

    async def run(self) -> None:
        """Govern until cancelled."""
        await self._rounds.go(self._look)

    async def _look(self) -> float:
        """See how things stand, and do what follows; seconds until the next look."""
        self._used |= dict.fromkeys(self._feeding.take())
        found = await self._store.steered()
        rows, paces, now = rows_of(found), pace.paces_of(found), await self._store.now()
        for edge in self._used:
            row = rows.get(edge.target, Row(None, Stage(queue=edge.target), 0))
            rows[edge.target] = row._replace(after=used(row.after, edge, now))
        rows = {queue: row._replace(after=aged(row.after, now)) for queue, row in rows.items()}
        stages = [row.after for row in rows.values() if row.after.feeds]
        gates = await self._gates() if self._holding or any(stage.over for stage in stages) else []
        levels = await self._levels(stages)
        judged = judge(stages, levels, now)
        for stage in stages:
            rows[stage.queue] = rows[stage.queue]._replace(after=judged_of(stage, judged, levels, now))
        if all_written := await self._write(rows):
            self._used.clear()
        drains = self._drains.see(levels, now) if judged.over or paces else {}
        after = pace.paces(judged.fed, drains, {who: one for who, (one, _) in paces.items()}, now)
        await pacing.carry_out(self._store, paces, after)
        await self._carry_out(judged.holds, gates, now, opens=all_written)
        return self._pause(judged, bool(levels), bool(after)) if all_written else SOONEST

    # --- what is known ---

    async def _write(self, rows: Mapping[str, Row]) -> bool:
        """What has changed; whether nobody else was first."""
        changed = [
            Steered(name=ROW + queue, body=b"" if empty(row.after) else _pack(row.after), generation=row.generation)
            for queue, row in rows.items()
            if row.after != row.before and not (row.generation == 0 and empty(row.after))
        ]
        return all(await self._store.steer(changed)) if changed else True

    async def _levels(self, stages: Sequence[Stage]) -> dict[str, Level]:
        names = {stage.queue for stage in stages} | {feed.source for stage in stages for feed in stage.feeds}
        if not names:
            return {}
        depths = await self._engine.depth(sorted(names))
        limited = any(depth.limit is not None or depth.limit_bytes is not None for depth in depths)
        if not limited and not any(marked(stage) for stage in stages):
            return {}
        await self._look_at_workers()
        return {depth.queue: level_of(depth, self._slots.get(depth.queue, 0)) for depth in depths}

    async def _look_at_workers(self) -> None:
        if time.monotonic() - self._asked < WHO:
            return
        self._asked, slots = time.monotonic(), dict[str, int]()
        rows = [row for row in await self._store.workers() if row.left > 0]
        for row in rows:
            for queue in row.queues:
                slots[queue] = slots.get(queue, 0) + row.concurrency
        self._slots, self._workers = slots, max(1, len(rows))

    # --- what follows ---

    async def _gates(self) -> list[Gate]:
        return [gate for gate in await self._store.gates() if gate.holder == PRESSURE]

    async def _carry_out(self, holds: Sequence[Hold], gates: Sequence[Gate], now: float, *, opens: bool) -> None:
        """Close what is to be closed; open what was seen closed, before it was seen how full queues are."""
        closed = {(gate.queue, gate.task): gate for gate in gates}
        for hold in holds:
            gate = closed.pop((hold.queue, hold.task), None)
            if gate is None or gate.until is None or gate.until - now < RENEW:
                until = now + DEADLINE
                await self._store.close_gate(hold.queue, None, hold.reason, PRESSURE, until, task=hold.task)
                if gate is None:
                    _logger.info("%s held: %s", hold.task or hold.queue, hold.reason)
        for queue, task in closed if opens else ():
            await self._store.open_gate(queue, None, PRESSURE, task=task)
        self._holding = bool(holds) or (bool(closed) and not opens)

    def _pause(self, judged: Judged, known: bool, paced: bool) -> float:
        """Seconds until the next look; how many may go into which queue until then is told to who publishes.

        Args:
            known: some queue has a limit or a mark. paced: some task goes at a pace.
        """
        room, fills = dict[str, int](), paced
        for one in judged.fed:
            fills = fills or one.over or (one.bound.high is not None and one.waiting >= one.bound.high * _FILLING)
            if one.bound.high is not None and not one.over:
                room[one.queue] = max(1, (one.bound.high - one.waiting) // (2 * self._workers))
        self._feeding.room = room
        crowd = max(1.0, self._workers / CROWD)
        return TICK * crowd if fills else QUIET * crowd if known else IDLE


class NoPressure:
    """In the place of one where it is switched off: lets go of what others have held, when the worker starts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def declare(self) -> None:
        """Nobody is held any more, unless there are other workers that hold them."""
        await pacing.let_go(self._store)
        for gate in [gate for gate in await self._store.gates() if gate.holder == PRESSURE]:
            await self._store.open_gate(gate.queue, gate.lane, PRESSURE, task=gate.task, key=gate.key)

    async def run(self) -> None:
        """Do nothing until cancelled."""
        await asyncio.Event().wait()


def rows_of(found: Sequence[Steered]) -> dict[str, Row]:
    """Those of queues that others feed."""
    known = {
        row.name.removeprefix(ROW): (stage_of(row.body), row.generation) for row in found if row.name.startswith(ROW)
    }
    return {queue: Row(stage, stage or Stage(queue=queue), generation) for queue, (stage, generation) in known.items()}


def mark_of(spec: QueueSpec) -> Mark:
    """What is kept of a declaration."""
    ages = [age for age in (spec.mark_age, spec.limit_age) if age is not None]
    return Mark(spec.mark, min(ages, default=None), spec.on_full == "shed_oldest")


def marked(stage: Stage) -> bool:
    """Whether something was declared that holds others."""
    return stage.mark.messages is not None or stage.mark.age is not None or stage.over is not None


def empty(stage: Stage) -> bool:
    """Whether it says nothing."""
    return not stage.feeds and stage.mark == Mark()


def level_of(depth: Depth, slots: int) -> Level:
    """A queue as it stands, from its numbers."""
    waiting = depth.ready + depth.parked + depth.scheduled
    age = max(depth.age, depth.held)
    return Level(waiting, depth.parked, age, depth.published - waiting, most_of(depth, waiting), slots)


def most_of(depth: Depth, waiting: int) -> int | None:
    """How many messages a queue takes; where it bounds their bytes, as many as have these if they are like those."""
    limits = [] if depth.limit is None else [depth.limit]
    if depth.limit_bytes is not None and depth.size > 0:
        limits.append(max(1, depth.limit_bytes * waiting // depth.size))
    return min(limits, default=None)


def used(stage: Stage, edge: Edge, now: float) -> Stage:
    """With an edge that was used; the very same if it stands there so lately that it need not be written."""
    mine = Feed(edge.source, edge.task, edge.consumer, edge.made, now)
    others = tuple(feed for feed in stage.feeds if not _same(feed, mine))
    if any(_same(feed, mine) and 0 <= now - feed.last < AGED / 4 for feed in stage.feeds):
        return stage
    return replace(stage, feeds=(*others, mine))


def aged(stage: Stage, now: float) -> Stage:
    """Without edges that nobody has used for long."""
    kept = tuple(feed for feed in stage.feeds if now - feed.last <= AGED)
    return stage if len(kept) == len(stage.feeds) else replace(stage, feeds=kept, over=stage.over if kept else None)


def judged_of(stage: Stage, judged: Judged, levels: Mapping[str, Level], now: float) -> Stage:
    """As it was judged. What it holds cannot use its edges: while somebody takes out of it, these do not age."""
    over = judged.over.get(stage.queue)
    served = stage.queue in levels and levels[stage.queue].slots > 0
    feeds = stage.feeds
    if over is not None and served and any(now - feed.last > AGED / 4 for feed in feeds):
        feeds = tuple(replace(feed, last=now) for feed in feeds)
    return replace(stage, over=over, feeds=feeds)


def _same(one: Feed, other: Feed) -> bool:
    return replace(one, last=0.0) == replace(other, last=0.0)
