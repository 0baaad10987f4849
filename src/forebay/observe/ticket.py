"""The facts of a ticket: where a message stands, read with a few looks at its queue alone. `flow/ticket.py` answers.

What it costs depends on the queue's lanes, on workers and gates; of waiting messages at most `COUNTED` are counted.
"""

import time
from collections.abc import Sequence

from forebay.engine.contract import Depth, LaneDepth
from forebay.flow import ticket
from forebay.flow.lane import owned, parts, passes, shut
from forebay.flow.ticket import WINDOW, Line, Pace, Reading
from forebay.model.lifecycle import FINAL, State
from forebay.model.topology import PRESSURE
from forebay.observe.providers import beside
from forebay.observe.snapshot import Reads, patience, proof_age
from forebay.store.contract import Store
from forebay.store.records import Found, Query, WorkerRow

#: Messages ahead that are counted; so many means that many or more.
COUNTED = 10_000
#: Queues whose readings an app keeps, and readings of each.
QUEUES, READINGS = 1_000, 8


class Recent:
    """The readings of this process: by queue, of the last minute. Bounded; may be used by any thread."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Reading, ...]] = {}

    def pace(self, depth: Depth, at: float) -> Pace:
        """How fast a queue moves, by a reading of it and the oldest that is kept; `at` is monotonic."""
        now = Reading(at, depth.done + depth.retried + depth.died, depth.seconds, depth.ready)
        kept = tuple(one for one in self._kept.pop(depth.queue, ()) if at - one.at <= WINDOW and one.ended <= now.ended)
        found = ticket.pace(kept[0] if kept else None, now)
        if not kept or at - kept[-1].at >= WINDOW / READINGS:
            kept = (*kept, now)
        self._kept[depth.queue] = kept
        if len(self._kept) > QUEUES:
            self._kept.pop(next(iter(self._kept)), None)
        return found


class Stand:
    """Where messages of one queue stand."""

    def __init__(self, engine: Reads, store: Store, recent: Recent, lease: float) -> None:
        self._engine, self._store, self._recent, self._lease = engine, store, recent, lease

    async def position(self, found: Found) -> int | None:
        """How many messages of its line start before it; 0 once it has started, None while it is in no line yet."""
        if found.state is State.RUNNING or found.state in FINAL:
            return 0
        return None if found.state is State.SCHEDULED else await self._store.ahead(found.id, COUNTED)

    async def eta(self, found: Found) -> float | None:
        """When it is expected to start, or did; seconds since the epoch. None if nobody knows."""
        if found.state is State.RUNNING or found.state in FINAL:
            return found.started
        return await self._expected(found, await self.position(found), found.due)

    async def of_new(
        self, like: Found, due: float | None, delay: float = 0.0, count: int = 1, *, newest: bool = False
    ) -> tuple[float, float | None]:
        """The time, and when the last of `count` such messages is expected to start if it is published now.

        One of a priority is taken to have nobody ahead: how many have a higher one is not looked for. So is a usual one
        where the newest goes first.
        """
        now = await self._store.now()
        due = now + delay if due is None else due
        first = like.priority > 0 or (newest and not like.priority)
        return now, await self._expected(like, 0 if first else None, due, count - 1)

    async def _expected(self, found: Found, ahead: int | None, due: float | None, more: int = 0) -> float | None:
        """As `flow.ticket.expected`; `ahead` is all of its line if None."""
        queue = found.queue
        (depth,) = await self._engine.depth([queue])
        now, servers = await self._store.now(), await self._serving(queue)
        mine = owned(found.lane)
        lane = ticket.lane_of(depth.lanes, mine, found.task, found.key)
        ready = depth.ready + depth.parked
        before = (ticket.waiting(depth.lanes, ready, lane) if ahead is None else ahead) + more
        names = passes(queue, mine, found.task, found.key)
        meters = await self._store.meters([*names, *await beside(self._store, names)])
        slots = sum(one.concurrency for one in servers)
        line = Line(
            now=now,
            ahead=before,
            among=ticket.crowd(depth.lanes, ready, lane, before),
            due=due,
            slots=slots,
            free=max(0, slots - max(depth.running, sum(one.running for one in servers))),
            pace=self._recent.pace(depth, time.monotonic()),
            shared=[one for one in meters if one.name == names[0]],
            own=[one for one in meters if one.name != names[0]],
            shut=await self._held(found, [one for one in depth.lanes if one.lane and one.lane == lane], now),
        )
        return ticket.expected(line)

    async def _serving(self, queue: str) -> Sequence[WorkerRow]:
        """The living workers that serve a queue, and can lease as far as they say."""
        rows, stuck = await self._store.workers(), patience(self._lease)
        alive = [row for row in rows if row.left > 0 and queue in row.queues and row.state == "running"]
        return [row for row in alive if proof_age(row, self._lease) <= stuck]

    async def _held(self, found: Found, lanes: Sequence[LaneDepth], now: float) -> list[float | None]:
        """When each gate opens that holds it, or what stands before it, and when its lane may go.

        Args:
            lanes: its own, if that is told.
        """
        mine, before = (
            await self._shut(found, now),
            Query(queue=found.queue, key=found.key, state=State.PARKED, limit=1),
        )
        for one in lanes:
            mine += [one.go] if one.go is not None and one.why and found.state is State.READY else []
            if not mine and one.why.endswith(ticket.CLOSED) and found.key is not None:  # the first of its key is
                mine += [at for first in await self._store.messages(before) for at in await self._shut(first, now)]
        return mine

    async def _shut(self, found: Found, now: float) -> list[float | None]:
        lane = parts(found.lane).lane
        gates = [gate for gate in await self._store.gates() if gate.until is None or gate.until > now]
        mine = [gate for gate in gates if shut(gate, found.queue, lane, found.task, found.key)]
        return [None if gate.holder == PRESSURE else gate.until for gate in mine]  # that end is put off again and again
