"""The state: every message, queue and worker in plain dicts, and the one function that moves a message.

Promises: each move goes through `lifecycle.move`, and where a message waits, who holds it, its unique key and the
numbers of its queue change together with its state. Owns the lock that each verb holds from its beginning to its end.
"""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count

from forebay.config import Settings
from forebay.engine.contract import Fate, Receipt
from forebay.engine.memory.line import Line
from forebay.engine.memory.record import Queue, Record, Worker
from forebay.engine.waiting import Signal
from forebay.model.clock import Clock
from forebay.model.lifecycle import LIVE, Move, State, move
from forebay.model.message import Message
from forebay.model.queue import QueueSpec
from forebay.store.contract import Gate, Schedule

#: Which total of its queue a move adds to.
TOTALS = {
    Move.ACK: "done",
    Move.RETRY: "retried",
    Move.DEAD_LETTER: "died",
    Move.QUARANTINE: "died",
    Move.CANCEL: "cancelled",
    Move.EXPIRE: "expired",
    Move.DISCARD: "discarded",
}

#: The cause of an end whose time ran out.
EXPIRED = "expired before it could start"

#: States in which a message may be cancelled, or expire, at once.
WAITING = LIVE - {State.RUNNING}

#: Names of buried workers that are remembered, so that a frozen one learns of its burial.
BURIED = 10_000


class Memory:
    """All that the engine knows.

    Attributes:
        records: every known message by id, live or ended.
        scheduled: by due time. expiring: what waits, by its expiry. kept: ends, by when they may be forgotten.
        dead: dead messages in the order of their death.
        unique: which live message holds a unique key.
        work: signalled, by queue, when there may be something to lease or to stop.
        ends: signalled when a message ended or progressed.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.records: dict[str, Record] = {}
        self.scheduled, self.expiring, self.kept = Line(), Line(), Line()
        self.dead: dict[str, Record] = {}
        self.unique: dict[str, str] = {}
        self.queues: dict[str, Queue] = {}
        self.workers: dict[str, Worker] = {}
        self.buried: dict[str, None] = {}
        self.gates: dict[tuple[str, str | None], Gate] = {}
        self.schedules: dict[str, Schedule] = {}
        self.work, self.ends = Signal(), Signal()
        self._size = 0
        self._stirred: set[str] = set()
        self._ended = False
        self._receipts, self._orders = count(1), count(1)
        self._lock = threading.Lock()

    @contextmanager
    def verb(self) -> Generator[float]:
        """Hold the state for one verb; gives the time at which it happens. What is due by then is ready.

        Whoever waits for something that the verb has changed hears of it at its end.
        """
        with self._lock:
            now = self.clock.now()
            self._promote(now)
            self._tell()
            try:
                yield now
            finally:
                self._tell()

    def queue(self, name: str) -> Queue:
        """The queue of that name, declared with the defaults if it is new."""
        if name not in self.queues:
            self.queues[name] = Queue(QueueSpec(name=name))
        return self.queues[name]

    def worker(self, name: str) -> Worker | None:
        """A worker whose lease holds."""
        worker = self.workers.get(name)
        return worker if worker is not None and worker.until > self.clock.monotonic() else None

    def is_open(self, queue: str, lane: str) -> bool:
        """Whether messages of this lane may be leased."""
        return (queue, None) not in self.gates and (queue, lane) not in self.gates

    def known(self, id: str, now: float) -> Record | None:
        """The message of that id, unless it ended and its retention is over."""
        record = self.records.get(id)
        if record is not None and record.forget is not None and record.forget <= now:
            self.forget(record)
            return None
        return record

    def accept(self, message: Message, now: float) -> Receipt:
        """Take a message in, unless it, or another with its unique key, is here already."""
        if self.known(message.id, now) is not None:
            return Receipt(message.id, Fate.DUPLICATE)
        if message.unique is not None and message.unique in self.unique:
            return Receipt(self.unique[message.unique], Fate.DUPLICATE)
        if 0 < self.settings.max_size < self._size + len(message.body):
            return Receipt(message.id, Fate.FULL)
        self._add(message, now)
        return Receipt(message.id)

    def shift(self, record: Record, what: Move, now: float, cause: str = "") -> None:
        """Make one move in the life of a message, and everything that goes with it."""
        after = move(record.state, what)
        self._leave(record)
        record.state, record.cause = after, cause
        if what in TOTALS:
            self.queues[record.message.queue].total[TOTALS[what]] += 1
        if after not in LIVE:
            self._end(record, now)
        self._enter(record)

    def hold_unique(self, record: Record) -> None:
        """Let no other message with its unique key in, from here to its end."""
        if record.message.unique is not None:
            self.unique[record.message.unique] = record.id

    def keep(self, record: Record, until: float) -> None:
        """Remember an end until then."""
        record.forget = until
        self.kept.add(record.id, (until, record.receipt))

    def next_receipt(self) -> int:
        """The next number in the order of acceptance."""
        return next(self._receipts)

    def forget(self, record: Record) -> None:
        """Let go of an end."""
        del self.records[record.id]
        self.kept.remove(record.id)
        self._size -= len(record.message.body)

    def _add(self, message: Message, now: float) -> None:
        queue = self.queue(message.queue)
        ttl = queue.spec.ttl if message.ttl is None else message.ttl
        due = now + message.delay if message.due is None else max(now, message.due)
        record = Record(
            message=message,
            receipt=self.next_receipt(),
            state=State.SCHEDULED if due > now else State.READY,
            created=now,
            due=due,
            expires=None if ttl is None else now + ttl,
            lane=message.lane,
        )
        self.records[message.id] = record
        self._size += len(message.body)
        self.hold_unique(record)
        queue.total["published"] += 1
        self._enter(record)

    def _promote(self, now: float) -> None:
        while (first := self.scheduled.first()) is not None and first[0][0] <= now:
            self.shift(self.records[first[1]], Move.DUE, now)

    def _tell(self) -> None:
        if self._stirred:
            self.work.notify(self._stirred)
            self._stirred = set()
        if self._ended:
            self.ends.notify()
            self._ended = False

    def _leave(self, record: Record) -> None:
        queue = self.queues[record.message.queue]
        queue.count[record.state] -= 1
        self.expiring.remove(record.id)
        match record.state:
            case State.READY:
                queue.remove(record)
            case State.SCHEDULED:
                self.scheduled.remove(record.id)
            case State.PARKED:
                del queue.parked[record.id]
            case State.RUNNING:
                self._let_go(record)
            case _:
                self.dead.pop(record.id, None)

    def _enter(self, record: Record) -> None:
        queue = self.queues[record.message.queue]
        queue.count[record.state] += 1
        if record.state in WAITING:
            self._stirred.add(record.message.queue)
            if record.expires is not None:
                self.expiring.add(record.id, (record.expires, record.receipt))
        match record.state:
            case State.READY:
                queue.add(record)
            case State.SCHEDULED:
                self.scheduled.add(record.id, (record.due, record.receipt))
            case State.PARKED:
                queue.parked[record.id] = record
            case State.RUNNING:
                self.workers[record.worker].holds[record.id] = record
            case State.DEAD:
                self.dead[record.id] = record
            case _:
                self.keep(record, (record.finished or 0.0) + self.settings.result_ttl)

    def _let_go(self, record: Record) -> None:
        worker = self.workers[record.worker]
        del worker.holds[record.id]
        worker.asked.pop(record.id, None)
        record.worker, record.started = "", None

    def _end(self, record: Record, now: float) -> None:
        record.finished, record.order = now, next(self._orders)
        self._ended = True
        if record.message.unique is not None and self.unique.get(record.message.unique) == record.id:
            del self.unique[record.message.unique]
