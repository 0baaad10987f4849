"""What a producer does with messages that their queue has no room for: it is told, or waits until there is room.

First it has ended what is there and has become too late to start: that takes the room of what would run.

Who waits holds nothing in the store and is woken when something leaves the queue; whoever is cancelled or interrupted
leaves nothing behind. In one process producers of a queue get in one after another, in the order in which they came.
"""

import math
import random
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from forebay.engine.contract import Fate, Full, Receipt
from forebay.engine.full import refused, room, without_room
from forebay.engine.waiting import Signal
from forebay.model.clock import Clock
from forebay.model.errors import ForebayError
from forebay.model.message import Message

#: Seconds between two tries, if the way in is contended for: at the least, about, and at the most.
SOON, POLL = 0.005, 1.0
#: Messages that are tried at once, at the least; and twice as many as got in the last time.
FEW = 50
#: Of a full queue, what is too late to start is ended this often (seconds) by one process, so many at a time; and after
#: so long once that has failed: it may not be allowed to.
SWEEP, SWEPT, NOT_ALLOWED = 1.0, 1_000, 60.0


class Publishes(Protocol):
    """An engine, as far as this goes."""

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]: ...


class Watches(Protocol):
    """A store, as far as this goes."""

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int: ...
    async def tidy(self, limit: int = 5000) -> int: ...


class Through(Protocol):
    """What is published through, looked up at each call: tests put others in their places."""

    @property
    def engine(self) -> Publishes: ...
    @property
    def store(self) -> Watches: ...
    async def outbox(self) -> "Spills": ...


class Spills(Protocol):
    """Takes what queues have no room for; see `produce.outbox`."""

    def holds(self, queue: str) -> bool: ...
    def fits(self, one: Message) -> bool: ...
    def learn(self, receipts: Sequence[Receipt]) -> None: ...
    async def take(self, messages: Sequence[Message]) -> list[Receipt]: ...


#: A queue, and whether it is about messages that it keeps places for.
Place = tuple[str, bool]


class Ticket:
    """A place in a line, for as long as its holder is there."""


class Line:
    """The producers of this process that wait for room in one queue; `full` is what it said to the first of them.

    `place` is what its producers bring: messages of that queue, and whether such as it keeps places for.
    """

    def __init__(self, full: Full, place: "Place") -> None:
        self.full, self.place = full, place
        self._signal = Signal()
        self._waiting = WeakKeyDictionary[Ticket, None]()  # who was struck while it left is not waited for

    def __len__(self) -> int:
        return len(self._waiting)

    async def come_first(self, ticket: "Ticket", until: float) -> bool:
        """Stand in line until nobody stands before; False if that took too long."""
        self._waiting[ticket] = None
        while next(iter(self._waiting)) is not ticket:
            seen = self._signal.version
            if next(iter(self._waiting)) is ticket:
                break
            if (left := until - time.monotonic()) <= 0:
                return False
            await self._signal.wait(seen, min(left, POLL))
        return True

    def leave(self, ticket: "Ticket") -> None:
        """Let the next one come."""
        self._waiting.pop(ticket, None)
        self._signal.notify()

    async def pause(self, seconds: float) -> None:
        """Do nothing for a moment, in a thread or on a loop."""
        await self._signal.wait(self._signal.version, seconds, ())


class Admission:
    """Publishes, and waits where a queue says so."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._next_sweep = clock, -math.inf
        self._lines: dict[Place, Line] = {}
        self.outbox: Spills | None = None  # once something is in it
        self.made: Any = None  # the outbox that was made, and the settings by which somebody looked for one
        self.looked: object = None

    def publish(self, through: Through, messages: Sequence[Message]) -> Awaitable[list[Receipt]]:
        """As `Engine.publish`, of messages that may have to wait for room; a receipt each, in the same order.

        Raises:
            EngineFull: some of them were refused, at once or after they had waited.
        """
        if self.outbox is not None and any(self.outbox.holds(one.queue) for one in messages):
            return self._publish_behind(through, messages, self.outbox)
        return self._publish(through, messages)

    async def _publish(self, through: Through, messages: Sequence[Message]) -> list[Receipt]:
        receipts = await (self._behind(through, messages) if self._lines else through.engine.publish(messages))
        if without_room(receipts):
            receipts = list(receipts)
            if not self._lines and await self._swept(through):
                full = [n for n, one in enumerate(receipts) if one.fate is Fate.FULL]
                await _again(through, messages, receipts, full)
            receipts = await self._until_in(through, messages, receipts)
            receipts = await self._spilled(through, messages, receipts)
            if (error := refused(receipts)) is not None:
                raise error
        return receipts

    async def _swept(self, through: Through) -> bool:
        """End what has become too late to start, now and then; whether there was anything. Keepers do, where one is."""
        if (now := self._clock.monotonic()) < self._next_sweep:
            return False
        self._next_sweep = now + SWEEP
        try:
            return await through.store.tidy(SWEPT) > 0
        except ForebayError:  # the queue is full, and stays it
            self._next_sweep = now + NOT_ALLOWED
            return False

    async def _behind(self, through: Through, messages: Sequence[Message]) -> list[Receipt]:
        """What others of this process wait for already, with its queue, is not tried before they are in."""
        lines = [self._line(one) for one in messages]
        lines = [line if _may_fit(one, line) else None for one, line in zip(messages, lines, strict=True)]
        answers = {n: _behind(messages[n], line) for n, line in enumerate(lines) if line is not None}
        free = [n for n in range(len(messages)) if n not in answers]
        if free:
            answers |= zip(free, await through.engine.publish([messages[n] for n in free]), strict=True)
        return [answers[n] for n in range(len(messages))]

    def _line(self, one: Message) -> Line | None:
        """The line that a message has to stand in."""
        usual = self._lines.get((one.queue, False))
        if one.priority <= 0 or (usual is not None and not usual.full.reserve):
            return usual
        return self._lines.get((one.queue, True))

    async def _publish_behind(self, through: Through, messages: Sequence[Message], outbox: Spills) -> list[Receipt]:
        """What stands behind others of its queue in the outbox goes there as well, so that it overtakes nobody."""
        behind = [n for n, one in enumerate(messages) if _stands_behind(one, outbox)]
        others = sorted({*range(len(messages))} - {*behind})
        answers: dict[int, Receipt] = {}
        if behind:
            answers |= zip(behind, await outbox.take([messages[n] for n in behind]), strict=True)
        if others:
            answers |= zip(others, await self._publish(through, [messages[n] for n in others]), strict=True)
        return [answers[n] for n in range(len(messages))]

    async def _spilled(self, through: Through, messages: Sequence[Message], receipts: list[Receipt]) -> list[Receipt]:
        """What goes to the outbox, where the queue says so; one with a unique key does not, for it may be none."""
        refused = [n for n, one in enumerate(receipts) if one.full is not None and one.full.on_full == "spill"]
        if wanted := [n for n in refused if messages[n].unique is None]:
            self.outbox = await through.outbox()
            self.outbox.learn([receipts[n] for n in refused])
            taken = await self.outbox.take([messages[n] for n in wanted])
            for n, receipt in zip(wanted, taken, strict=True):
                receipts[n] = receipt
        return receipts

    async def _until_in(self, through: Through, messages: Sequence[Message], receipts: list[Receipt]) -> list[Receipt]:
        """Wait for each queue that says so; other refusals stand. Those that places are kept for go first."""
        asked = [(one.full, message) for one, message in zip(receipts, messages, strict=True) if one.full is not None]
        waited = {_place(full, message): full for full, message in asked if full.on_full == "wait"}
        for place, full in sorted(waited.items(), key=lambda one: not one[0][1]):
            line, ticket = self._lines.setdefault(place, Line(full, place)), Ticket()
            until = time.monotonic() + full.patience
            try:
                if await line.come_first(ticket, until):
                    await self._get_in(through, line, until, messages, receipts)
            finally:
                line.leave(ticket)
                if not line:
                    self._lines.pop(place, None)
        return receipts

    async def _get_in(
        self, through: Through, line: Line, until: float, messages: Sequence[Message], receipts: list[Receipt]
    ) -> None:
        """Try again whenever something has left the queue, and now and then. What is in stays in."""
        topics, bite = [room(line.full.queue)], FEW
        while left := [n for n, one in enumerate(receipts) if _waits(one, messages[n], line)]:
            mark = await through.store.watch(topics, 0.0)
            await self._swept(through)
            some = left[:bite]
            await _again(through, messages, receipts, some)
            bite = max(FEW, 2 * sum(receipts[n].fate is not Fate.FULL for n in some))
            rest = until - time.monotonic()
            if rest <= 0:
                return
            if not any(_waits(receipts[n], messages[n], line) for n in some):
                continue  # all of these are in, or are not waited for
            await through.store.watch(topics, min(rest, POLL), mark)
            await line.pause(min(max(0.0, until - time.monotonic()), SOON * random.random()))


async def _again(through: Through, messages: Sequence[Message], receipts: list[Receipt], some: Sequence[int]) -> None:
    """Try some of them once more, and put what becomes of them in the place of what was said of them."""
    for n, receipt in zip(some, await through.engine.publish([messages[n] for n in some]), strict=True):
        receipts[n] = receipt


def _waits(receipt: Receipt, message: Message, line: Line) -> bool:
    """Whether it is worth waiting for room in the queue of this line."""
    full = receipt.full
    if receipt.fate is not Fate.FULL or full is None or full.on_full != "wait":
        return False
    return _place(full, message) == line.place


def _stands_behind(one: Message, outbox: Spills) -> bool:
    """Whether it goes where others of its queue wait; one that would stay there for ever is refused by the queue."""
    return one.unique is None and outbox.holds(one.queue) and outbox.fits(one)


def _place(full: Full, message: Message) -> Place:
    """The line that it waits in: where a queue keeps places, those they are kept for do not wait behind others."""
    return full.queue, full.reserve and message.priority > 0


def _may_fit(message: Message, line: Line | None) -> bool:
    """Whether there is something to wait for: one that is larger than its queue may be is refused at once."""
    return line is None or line.full.size is None or len(message.body) <= line.full.size


def _behind(message: Message, line: Line) -> Receipt:
    return Receipt(message.id, Fate.FULL, None, line.full)
