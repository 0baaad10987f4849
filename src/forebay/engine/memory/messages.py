"""How messages ended, reading and stopping them, and dead letters as a workflow."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import nlargest, nsmallest
from itertools import islice

from forebay.engine.memory.record import WAITING, Record
from forebay.engine.memory.state import Memory
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import FINAL, LIVE, Move, State
from forebay.model.ruling import CANCELLED
from forebay.store.records import Choice, Found, Query


class MemoryMessages:
    """`Results`, `Inspects` and `DeadLetters` of `forebay.store.contract` over a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def find(self, ids: Sequence[str]) -> list[Found | None]:
        """What is known of each id."""
        with self._memory.verb() as now:
            records = [self._memory.known(name, now) for name in ids]
            return [None if record is None else record.found(self._memory.gates.shown(record)) for record in records]

    async def watch(self, ids: Sequence[str] | None, timeout: float, since: int | None = None) -> int:
        """Sleep until a message, whichever it is, ended or progressed after the mark `since`."""
        ends = self._memory.ends
        if since is not None:
            await ends.wait(since, timeout)
        return ends.version

    async def progress(self, delivery: Delivery, value: bytes) -> bool:
        """Keep the progress of a message that still runs under this lease."""
        with self._memory.verb() as now:
            record = self._memory.known(delivery.id, now)
            if record is None or record.state is not State.RUNNING:
                return False
            if (record.receipt, record.fence) != (delivery.receipt, delivery.fence):
                return False
            if self._memory.worker(record.worker) is None:
                return False
            record.progress = value
            self._memory.ends.notify()
            return True

    async def messages(self, query: Query) -> list[Found]:
        """Messages that match; any live state if none is named."""
        place = _by_end if query.state in FINAL else _by_acceptance
        with self._memory.verb() as now:
            start = 0
            if query.after is not None:
                last = self._memory.known(query.after, now)
                if (
                    last is None
                ):  # its retention ended while somebody paged: better a short list than the first page again
                    return []
                start = place(last)
            matching = (record for record in self._matching(query, now) if place(record) > start)
            return [
                record.found(self._memory.gates.shown(record)) for record in nsmallest(query.limit, matching, key=place)
            ]

    async def latest(self, limit: int) -> list[Found]:
        """The newest live messages, then the newest ends. Looks at every record, which the reference may."""
        with self._memory.verb() as now:
            known = [record for record in self._memory.records.values() if record.forget is None or record.forget > now]
            live = nlargest(limit, (record for record in known if record.state in LIVE), key=_by_acceptance)
            ends = nlargest(limit, (record for record in known if record.state in FINAL), key=_by_end)
            return [record.found(self._memory.gates.shown(record)) for record in (*reversed(live), *reversed(ends))]

    async def held(self, worker: str) -> list[Delivery]:
        """What a worker holds now, in order of acceptance."""
        with self._memory.verb():
            row = self._memory.workers.get(worker)
            return (
                [] if row is None else [record.delivery() for record in sorted(row.holds.values(), key=_by_acceptance)]
            )

    async def ending(self, end: str, limit: int = 10) -> list[str]:
        """Ids by their end. Looks at every one, which the reference may."""
        with self._memory.verb() as now:
            known = (id_ for id_ in self._memory.records if id_.endswith(end) and self._memory.known(id_, now))
            return list(islice(known, limit))

    async def ahead(self, id_: str, limit: int = 100_000) -> int:
        """How many stand before it."""
        with self._memory.verb() as now:
            record = self._memory.known(id_, now)
            if record is None or record.state is not State.READY:
                return 0
            return min(limit, sum(_before(other, record) for other in self._memory.records.values()))

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """End what waits; ask the worker of what runs."""
        with self._memory.verb() as now:
            return [self._cancel(self._memory.known(name, now), now) for name in ids]

    async def tidy(self, limit: int = 5000) -> int:
        """Expire what waited too long, then forget ends past their retention."""
        with self._memory.verb() as now:
            expired = self._memory.expire(now, limit)
            return expired + _forget(self._memory, limit - expired, now)

    async def cancel_all(self, choice: Choice, limit: int = 1000) -> int:
        """End what is chosen and waits; ask the worker of what runs, once."""
        with self._memory.verb() as now:
            live = (record for record in self._memory.records.values() if record.state in LIVE)
            fresh = (record for record in chosen(choice, live, self._memory.gates.shown) if not record.asked)
            found = nsmallest(limit, fresh, key=_by_acceptance)
            for record in found:
                self._cancel(record, now)
            return len(found)

    async def redrive(self, choice: Choice, limit: int = 1000) -> int:
        """Make dead messages ready; one whose unique key a live message holds stays where it is."""
        with self._memory.verb() as now:
            dead, moved = list(chosen(choice, self._memory.dead.values(), self._memory.gates.shown)), 0
            for record in dead:
                moved += moved < limit and self._redrive(record, now)
            return moved

    async def purge(self, choice: Choice, limit: int = 1000) -> int:
        """Discard dead messages."""
        with self._memory.verb() as now:
            found = list(islice(chosen(choice, self._memory.dead.values(), self._memory.gates.shown), limit))
            for record in found:
                self._memory.shift(record, Move.DISCARD, now, f"purged: {record.cause}")
            return len(found)

    def _matching(self, query: Query, now: float) -> Iterable[Record]:
        states = LIVE if query.state is None else {query.state}
        return (
            record
            for record in self._memory.records.values()
            if self._memory.gates.shown(record) in states
            and (query.queue is None or record.message.queue == query.queue)
            and (query.task is None or record.message.task == query.task)
            and (query.key is None or record.message.key == query.key)
            and (query.unique is None or record.message.unique == query.unique)
            and (record.forget is None or record.forget > now)
        )

    def _cancel(self, record: Record | None, now: float) -> State | None:
        if record is None:
            return None
        if record.state in WAITING:
            self._memory.shift(record, Move.CANCEL, now, CANCELLED)
        elif record.state is State.RUNNING:
            _ask(self._memory, record)
        return record.state

    def _redrive(self, record: Record, now: float) -> bool:
        if self._memory.unique.held(record.message.unique):
            return False
        record.attempt = record.lost = record.order = 0
        record.receipt, record.created = next(self._memory.receipts), now  # it joins the end of its line
        record.newest = False
        record.due = record.expires = None  # who redrives it wants it to run, however late it is
        record.failure = record.progress = record.finished = record.unknown_since = None
        self._memory.shift(record, Move.REDRIVE, now)
        self._memory.unique.hold(record)
        return True


def _ask(memory: Memory, record: Record) -> None:
    """Have its worker told that a running message is to stop."""
    record.asked = True
    if (worker := memory.workers.get(record.worker)) is not None:
        worker.asked[record.id] = None
    memory.work.notify()


def chosen(choice: Choice, records: Iterable[Record], shown: Callable[[Record], State]) -> Iterator[Record]:
    """Those of the records that a choice means; `shown` says in which state each is."""
    ids = None if choice.ids is None else set(choice.ids)
    return (
        record
        for record in records
        if (ids is None or record.id in ids)
        and (choice.queue is None or record.message.queue == choice.queue)
        and (choice.task is None or record.message.task == choice.task)
        and (choice.key is None or record.message.key == choice.key)
        and (choice.state is None or shown(record) is choice.state)
    )


def _before(one: Record, other: Record) -> bool:
    """Whether `one` is ready, stands in the same line, and is leased before `other`."""
    same = (one.message.queue, one.place) == (other.message.queue, other.place)
    first = (-one.message.priority, one.turn) < (-other.message.priority, other.turn)
    return one.state is State.READY and same and first


def _by_acceptance(record: Record) -> int:
    return record.receipt


def _by_end(record: Record) -> int:
    return record.order


def _forget(memory: Memory, limit: int, now: float) -> int:
    count = 0
    while count < limit and (first := memory.kept.first()) is not None and first[0][0] <= now:
        memory.forget(memory.records[first[1]])
        count += 1
    return count
