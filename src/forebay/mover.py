"""Moving messages from one store to another, so that each is in exactly one of them whatever is interrupted.

What has to happen in which order, and why nothing is lost or doubled, is said in `flow.crossing`; this carries it out
in batches, and begins with what an earlier run has left on the way. Whoever runs it again finishes it.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace

from forebay.engine.backend import Backend, Moves
from forebay.engine.capabilities import worded
from forebay.engine.contract import Depth
from forebay.flow import crossing
from forebay.model.errors import ConfigError
from forebay.model.gate import Gate
from forebay.model.passage import Passage
from forebay.store.records import PAUSE, AuditLine, paused_by

T = TypeVar("T")
U = TypeVar("U")

#: Messages that move together, and batches after which what has arrived is let go of at the source.
BATCH, TOGETHER = 2_000, 4
#: Seconds between looks at what still runs at the source.
LOOK = 0.2
#: Lines of the audit in which it is looked up who has paused something.
_AUDITS = 1_000

#: Called after each batch with how many messages have arrived.
Report = Callable[[int], None]


class Side(NamedTuple):
    """One of the two stores: the scheme of its URL, where it is (for people), and its parts, which are open."""

    scheme: str
    place: str
    parts: Backend

    @property
    def moves(self) -> Moves:
        """Its verbs for moving.

        Raises:
            ConfigError: it has none.
        """
        if self.parts.moves is None:
            raise ConfigError(f"{self.scheme}:// is an engine that messages cannot be moved from or to")
        return self.parts.moves


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one queue.

    Attributes:
        moved: messages that have arrived, with those that were on the way before. dead: how many are dead letters.
        known: messages that the target knew already; they are there once.
        held: messages that stay: a live one there has their unique key, or they cannot be stored there.
        running: messages that still run at the source.
    """

    queue: str
    moved: int = 0
    dead: int = 0
    known: int = 0
    held: int = 0
    running: int = 0


class Mover:
    """One run from `source` to `target`.

    Args:
        wait: wait for what runs at the source, and move what comes back of it.
        batch: messages that move together.

    Attributes:
        refusals: why the target cannot store a message at all, a line each; they are among those that are held.
    """

    def __init__(
        self, source: Side, target: Side, report: Report | None = None, *, wait: bool = False, batch: int = BATCH
    ) -> None:
        self._source, self._target, self._report, self._wait, self._batch = source, target, report, wait, batch
        self._id, self._route = uuid.uuid4().hex, ""
        self._counts: dict[str, Counter[str]] = {}
        self._held = set[str]()
        self.refusals: list[str] = []
        self._came: dict[str, tuple[str, Sequence[str]]] = {}  # queue, and what it counts as
        self._batches = 0

    @property
    def moved(self) -> int:
        """How many messages have arrived up to now, or were there."""
        return sum(counts["moved"] + counts["known"] for counts in self._counts.values()) + len(self._came)

    async def run(self, queues: Sequence[str]) -> list[Moved]:
        """Move what waits, is scheduled, parked or dead in these queues; what was left on the way comes first.

        Raises:
            ConfigError: the two are one store, or the target has not what a message asks for.
            EngineFull: there is no room at the target.
            EngineError: another run of this route has begun meanwhile.
        """
        await self._claim()
        await self._gates(queues)
        try:
            await self._finish_what_was_begun()
            for queue in queues:
                self._counts.setdefault(queue, Counter())
                await self._queue(queue)
            await self._wait_for(queues)
            await self._let_go()
            await self._finish_what_was_begun()  # by this run: a departure whose answer was lost on the way
        except Unfit:
            await self._return_all()
            raise
        await self._put_back(sorted(self._held))
        running = {depth.queue: depth.running for depth in await self._depths(queues)}
        return [
            Moved(queue=queue, running=running.get(queue, 0), **{name: counts[name] for name in _COUNTED})
            for queue, counts in self._counts.items()
        ]

    async def back(self) -> int:
        """Put what an earlier run has left on the way back into its queues, unless it has arrived; how many.

        Raises:
            ConfigError: the two are one store.
        """
        await self._claim()
        return await self._return_all()

    async def _return_all(self) -> int:
        count, after = 0, 0
        while True:
            load = await self._source.moves.aside(self._route, after=after, limit=self._batch)
            ids = [one.id for one in load.passages]
            marks = set(await self._target.moves.marked(self._route, ids))
            next_ = {id_: crossing.step(aside=True, marked=id_ in marks) for id_ in ids}
            await self._source.moves.forget(
                self._route, self._id, [id_ for id_ in ids if next_[id_] is crossing.Step.FORGET_ASIDE]
            )
            count += await self._put_back([id_ for id_ in ids if next_[id_] is crossing.Step.ARRIVE])
            if load.after is None:
                await self._target.moves.forget(self._route, self._id)
                return count
            after = load.after

    async def _claim(self) -> None:
        """Be the only one who moves between these two from now on."""
        source, target = await self._source.moves.named(), await self._target.moves.named()
        if source == target:
            raise ConfigError(
                f"{self._source.place} and {self._target.place} are one store, or one is a copy of the other: nothing "
                "has to be moved between them"
            )
        self._route = crossing.route(source, target)
        await self._target.moves.claim(self._route, self._id, self._source.place)
        await self._source.moves.claim(self._route, self._id, self._target.place)

    async def _gates(self, queues: Sequence[str]) -> None:
        """What is paused stays paused: gates of these queues are closed at the target before anything comes there."""
        gates = self._target.parts.gates
        shut, audits = {_about(gate) for gate in await gates.gates()}, list[AuditLine]()
        for gate in await self._source.parts.gates.gates():
            audits = audits or await self._source.parts.audits.audits(_AUDITS)
            for queue in queues if not gate.queue else [gate.queue] if gate.queue in queues else []:
                one = replace(gate, queue=queue)
                if _about(one) not in shut:
                    about = {"task": one.task, "key": one.key}
                    await gates.close_gate(queue, one.lane, one.reason, one.holder, one.until, **about)
                    if (who := paused_by(gate, audits)) != gate.holder:
                        await self._target.parts.audits.note(who, PAUSE, one.audited(), f"at {self._source.place}")

    async def _finish_what_was_begun(self) -> None:
        """Whatever stands aside for this route, but for those that were refused a moment ago."""
        after = 0
        while True:
            load = await self._source.moves.aside(self._route, after=after, limit=self._batch)
            await self._deliver([one for one in load.passages if one.id not in self._held])
            if load.after is None:
                break
            after = load.after
        await self._let_go()
        await self._target.moves.forget(self._route, self._id)

    async def _wait_for(self, queues: Sequence[str]) -> None:
        """Until nothing runs there any more, if that is asked for; what comes back is moved."""
        runs = self._wait
        while runs:
            await asyncio.sleep(LOOK)
            runs = any(depth.running for depth in await self._depths(queues))
            for queue in queues:  # after the last look as well: what ran before it may have come back
                await self._queue(queue)

    async def _queue(self, queue: str) -> None:
        """Until a whole pass finds nothing: what ran at the first may have come back, behind the place of the last."""
        for dead in (False, True):
            while await self._pass(queue, dead):
                pass

    async def _pass(self, queue: str, dead: bool) -> int:
        """Once through a queue; how many left it. One batch departs while the one before it arrives."""
        after: int | None = 0
        left, under_way = 0, list[Passage]()
        while after is not None or under_way:
            leaving = _nothing() if after is None else self._depart(queue, dead, after)
            _, (under_way, after) = await _both(self._deliver(under_way), leaving)
            left += len(under_way)
        return left

    async def _depart(self, queue: str, dead: bool, after: int) -> tuple[list[Passage], int | None]:
        load = await self._source.moves.depart(self._route, self._id, queue, dead=dead, after=after, limit=self._batch)
        return list(load.passages), load.after

    async def _deliver(self, passages: Sequence[Passage]) -> None:
        """From aside to the target, and no more aside."""
        if not passages:
            return
        await self._refuse_unfit(passages)
        fate = await self._arrive(passages)
        self._came |= {one.id: (one.queue, _DEAD if one.died is not None else _MOVED) for one in fate.there}
        self._came |= {one.id: (one.queue, _KNOWN) for one in fate.known}
        self._held.update(one.id for one in fate.held)
        for one in fate.held:
            self._counts.setdefault(one.queue, Counter())["held"] += 1
        self._batches += 1
        if self._batches % TOGETHER == 0:
            await self._let_go()

    async def _arrive(self, passages: Sequence[Passage]) -> crossing.Sorted:
        """What the target says of them; of what it cannot store at all, only that message stays."""
        try:
            answers = await self._target.moves.arrive(self._route, self._id, passages)
        except ConfigError as error:
            if len(passages) == 1:
                self.refusals.append(f"message {passages[0].id} of queue {passages[0].queue}: {error}")
                return crossing.Sorted((), (), passages)
            half = len(passages) // 2
            one, other = await self._arrive(passages[:half]), await self._arrive(passages[half:])
            return crossing.Sorted(*((*some, *more) for some, more in zip(one, other, strict=True)))
        return crossing.sort(passages, answers)

    async def _let_go(self) -> None:
        """What has arrived for good stands aside no more, and then is marked no more; several batches at once."""
        came, self._came = self._came, {}
        there = await self._target.moves.marked(self._route, list(came)) if came else []
        if not there:
            return
        await self._source.moves.forget(self._route, self._id, there)
        for id_ in there:
            queue, kinds = came[id_]
            self._counts.setdefault(queue, Counter()).update(kinds)
        await self._target.moves.forget(self._route, self._id, there)
        if self._report is not None:
            self._report(len(there))

    async def _refuse_unfit(self, passages: Sequence[Passage]) -> None:
        found = crossing.unfit(passages, self._target.parts.engine.capabilities)
        if found is not None:
            passage, lacks = found
            raise Unfit(
                f"{self._target.scheme}:// has no {worded(lacks)}, and message {passage.id} of queue {passage.queue} "
                "asks for that: choose one that has it (docs/reference/engines.md); what had not arrived is back in "
                "its queue"
            )

    async def _put_back(self, ids: Sequence[str]) -> int:
        receipts = await self._source.moves.back(self._route, self._id, ids) if ids else []
        return sum(receipt.id in ids for receipt in receipts)

    async def _depths(self, queues: Sequence[str]) -> list[Depth]:
        return await self._source.parts.engine.depth(queues)


#: What is counted of each queue: fields of `Moved`; and as what messages count.
_COUNTED = ("moved", "dead", "known", "held")
_MOVED, _DEAD, _KNOWN = ("moved",), ("moved", "dead"), ("known",)


class Unfit(ConfigError):
    """The target has not what a message asks for."""


async def _both(one: Coroutine[Any, Any, T], other: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """The answers of both; what one of them does is done, or given up, before an error of the other is raised."""
    first, second = asyncio.ensure_future(one), asyncio.ensure_future(other)
    try:
        await asyncio.wait((first, second))
    except asyncio.CancelledError:
        for task in (first, second):
            task.cancel()
        await asyncio.wait((first, second))
        raise
    for task in (first, second):
        if error := task.exception():
            second.exception()  # looked at: nobody tells of it as forgotten
            raise error
    return first.result(), second.result()


async def _nothing() -> tuple[list[Passage], None]:
    return [], None


def _about(gate: Gate) -> tuple[str | None, ...]:
    """What a gate is about, and who holds it."""
    return gate.queue, gate.lane, gate.task, gate.key, gate.holder
