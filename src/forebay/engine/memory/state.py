"""The state: every message, queue and worker in plain dicts, and the one function that moves a message.

Promises: each move goes through `lifecycle.move`, and where a message waits, who holds it, its unique key and the
numbers of its queue change together with its state. Owns the lock that each verb holds from its beginning to its end.
"""

import math
import threading
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import count

from msgspec.structs import replace

from forebay.config import Settings
from forebay.engine.contract import MERGED_FOR, Fate, Receipt
from forebay.engine.full import exempt
from forebay.engine.memory import room
from forebay.engine.memory.bounds import Bounds
from forebay.engine.memory.gates import Gates
from forebay.engine.memory.holding import Holders, merges
from forebay.engine.memory.line import Line
from forebay.engine.memory.record import TOTALS, WAITING, Queue, Record, Worker
from forebay.engine.waiting import Signal
from forebay.flow.lane import own, parts
from forebay.model.clock import Clock
from forebay.model.lifecycle import LIVE, Move, State, move
from forebay.model.message import Carried, Message, born, quiet, start
from forebay.model.queue import Declared, Limit, QueueSpec
from forebay.model.ruling import EXPIRED, SHED
from forebay.store.records import AuditLine, Schedule, Steered

#: The history of a message that begins here.
_NOTHING = Carried()

#: Messages that one lease expires on its way.
SWEEP = 1_000

#: Names of buried workers that are remembered, so that a frozen one learns of its burial.
BURIED = 10_000

#: Lines of the audit that are kept.
AUDITS = 10_000


class Memory:
    """All that the engine knows.

    Attributes:
        records: every known message by id, live or ended.
        scheduled: by due time. expiring: what waits, by its expiry. kept: ends, by when they may be forgotten.
        dead: dead messages in the order of their death. running: those that run, whoever has them.
        unique: which live messages hold a unique key.
        merged: ids that were merged lately: into which message.
        receipts: the next number in the order of acceptance.
        work: signalled, by queue, when there may be something to lease or to stop.
        stirred: queues of which whoever waits is to hear at the end of the verb.
        ends: signalled when a message ended or progressed.
        gates: the closed ones. bounds: meters, and what queues tell apart.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.records: dict[str, Record] = {}
        self.scheduled, self.expiring, self.kept = Line(), Line(), Line()
        self.dead: dict[str, Record] = {}
        self.running: dict[str, Record] = {}
        self.merged: dict[str, str] = {}
        self.unique = Holders(self.records, self.merged)
        self._merges = Line()
        self.queues: dict[str, Queue] = {}
        self.workers: dict[str, Worker] = {}
        self.buried: dict[str, None] = {}
        self.gates = Gates()
        self.bounds = Bounds(self.gates)
        self.schedules: dict[str, Schedule] = {}
        self.steered: dict[str, Steered] = {}
        self.audits: deque[AuditLine] = deque(maxlen=AUDITS)
        self.work, self.ends = Signal(), Signal()
        self._size = 0
        self.stirred: set[str] = set()
        self._ended = False
        self.receipts, self._orders = count(1), count(1)
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
            self.queues[name].told = self.bounds.split(self.queues[name])
        return self.queues[name]

    def worker(self, name: str) -> Worker | None:
        """A worker whose lease holds."""
        worker = self.workers.get(name)
        return worker if worker is not None and worker.until > self.clock.monotonic() else None

    def tell_apart(self, queue: str = "") -> None:
        """What this queue, or any, tells apart may have changed: let what is ready wait where it does from now on."""
        for name in [queue] if queue else list(self.queues):
            self._tell_apart(self.queue(name))
            self.stirred.add(name)

    def _tell_apart(self, queue: Queue) -> None:
        told = self.bounds.split(queue)
        if told != queue.told:
            queue.told = told
            queue.sort(lambda record: self.bounds.place(record, told))

    def declare(self, spec: QueueSpec, now: float) -> Declared:
        """Make a queue known, or change what it is."""
        queue = self.queue(spec.name)
        before = queue.spec
        if spec.holds(firm=queue.firm):
            queue.spec, queue.firm = spec.plain(), queue.firm or not spec.mild
            queue.limit = queue.spec.bound
            self.bounds.declare(before, queue.spec, now)
            queue.share(now)
            self.tell_apart(spec.name)
        return Declared(before, queue.spec)

    def upcoming(self, queues: Sequence[str], now: float) -> float:
        """When the next message is due, the next gate opens, or a meter lets the first of a lane through."""
        first = self.scheduled.first()
        times = [] if first is None else [first[0][0]]
        times += [gate.until for gate in self.gates.closed() if gate.until is not None]
        for queue in [self.queues[name] for name in queues if name in self.queues]:
            heads = [self.records[head] for line in queue.lines.values() if (head := line.head()) is not None]
            heads = [head for head in heads if self.bounds.passed(head, queue) and not self.gates.is_shut(head)]
            for first_of in heads:
                at, until = self.bounds.again(first_of, queue, now), queue.held_until(first_of)
                times += [] if at is None else [at if until is None else max(at, until)]
        return min(times, default=math.inf)

    def known(self, id: str, now: float) -> Record | None:
        """The message of that id, unless it ended and its retention is over."""
        record = self.records.get(id)
        if record is not None and record.forget is not None and record.forget <= now:
            self.forget(record)
            return None
        return record

    def accept(self, message: Message, now: float, refused: room.Refusals | None = None) -> Receipt:
        """Take a message in, unless it, or another with its unique key, is here already.

        Args:
            refused: what queues had no room for before it; None if it comes in whatever its queue holds.
        """
        if self.known(message.id, now) is not None:
            return Receipt(message.id, Fate.DUPLICATE)
        if (holder_id := self._merged_into(message)) is not None:
            return Receipt(holder_id, Fate.MERGED)
        if (holder := self.unique.before(message, now)) is not None:
            return self._merge(holder, message, now, refused)
        if 0 < self.settings.max_size < self._size + len(message.body):
            return Receipt(message.id, Fate.FULL)
        queue = self.queues.get(message.queue)
        if refused is not None and queue is not None and queue.limit is not None and not exempt(message):
            return self._admit(message, queue, queue.limit, refused, now)
        self._add(message, now)
        return Receipt(message.id)

    def _admit(self, message: Message, queue: Queue, limit: Limit, refused: room.Refusals, now: float) -> Receipt:
        """Take a new message into a queue with a limit, if there is room, or it makes some."""
        if (refusal := refused.refused(queue, limit, message, now)) is not None:
            return refusal
        self._add(message, now)
        self._shed(queue, limit, now)
        return Receipt(message.id)

    def _shed(self, queue: Queue, limit: Limit, now: float, but: Record | None = None) -> None:
        for old in room.surplus(queue, limit, self.scheduled, self.records, but):
            self.shift(old, Move.DISCARD, now, SHED)

    def shift(self, record: Record, what: Move, now: float, cause: str = "") -> None:
        """Make one move in the life of a message, and everything that goes with it."""
        after = move(record.state, what)
        self._leave(record)
        record.state = State.READY if after is State.PARKED else after
        if what is not Move.DUE:  # why it waits goes on being why
            record.cause = cause
        if after in WAITING:
            record.worker, record.started = "", None
        if what in TOTALS:
            self.queues[record.message.queue].total[TOTALS[what]] += 1
        if after not in LIVE:
            self._end(record, now)
        self._enter(record)

    def rename(self, record: Record, own: str, message: Message | None = None) -> None:
        """Put a message that waits into another lane; with `message`, which it is from now on, into another queue."""
        if own == record.own and message is None:
            return
        self._leave(record)
        if message is not None:
            record.message = message
            self.queue(message.queue).total["published"] += 1
        record.own = own
        self._enter(record)

    def keep(self, record: Record, until: float) -> None:
        """Remember an end until then."""
        record.forget = until
        self.kept.add(record.id, (until, record.receipt))

    def expire(self, now: float, limit: int) -> int:
        """End waiting messages whose time has passed; how many."""
        count = 0
        while count < limit and (first := self.expiring.first()) is not None and first[0][0] <= now:
            self.shift(self.records[first[1]], Move.EXPIRE, now, EXPIRED)
            count += 1
        return count

    def forget(self, record: Record) -> None:
        """Let go of an end."""
        del self.records[record.id]
        self.kept.remove(record.id)
        self._size -= len(record.message.body)

    def _merge(self, holder: Record, message: Message, now: float, refused: room.Refusals | None) -> Receipt:
        """Debounced, it takes the place of the one that waits for the same, if it fits; else it is a duplicate."""
        before = holder.message
        if not merges(message, holder):
            return Receipt(holder.id, Fate.DUPLICATE)
        queue, more = self.queues[before.queue], len(message.body) - len(before.body)
        limit = None if refused is None or exempt(message) else queue.limit
        if limit is not None and refused is not None:
            refusal = refused.outgrown(queue, limit, message, len(before.body), now)
            if refusal is not None:
                return refusal
        if more > 0 and 0 < self.settings.max_size < self._size + more:
            return Receipt(message.id, Fate.FULL)
        self._renew(holder, message, now)
        if limit is not None and more > 0:
            self._shed(queue, limit, now, holder)
        return Receipt(holder.id, Fate.MERGED)

    def _renew(self, holder: Record, message: Message, now: float) -> None:
        """It has these arguments from now on, and waits anew."""
        before = holder.message
        if holder.attempt:  # what was tried were other arguments
            holder.created, holder.attempt, holder.lost = now, 0, 0
            holder.failure = holder.progress = holder.unknown_since = None
        self._leave(holder)
        holder.first = False
        holder.message = replace(before, body=message.body, headers=message.headers, ttl=message.ttl)
        self._size += len(message.body) - len(before.body)
        holder.expires = self._expiry(message, born(message, now))
        if self.gates.shown(holder) is not State.PARKED:
            holder.due, holder.cause = quiet(message, holder.created, now), ""
            holder.state = move(holder.state, Move.MERGE)
        self._enter(holder)
        self._stand_for_itself(holder.id)
        self._note_merged(message.id, holder.id, now)

    def _stand_for_itself(self, id_: str) -> None:
        """Whatever this message had been merged into, or was overtaken by, says nothing of it any more."""
        if self.merged.pop(id_, None) is not None:
            self._merges.remove(id_)

    def _note_merged(self, older: str, newer: str, now: float) -> None:
        self.merged[older] = newer
        self._merges.add(older, (now + MERGED_FOR, next(self._orders)))

    def _merged_into(self, message: Message) -> str | None:
        """The message that this one was merged into, if its publish is tried again."""
        return self.merged.get(message.id) if message.debounce > 0 else None

    def _expiry(self, message: Message, created: float) -> float | None:
        ttl = self.queue(message.queue).spec.ttl if message.ttl is None else message.ttl
        return None if ttl is None else created + ttl

    def _add(self, message: Message, now: float) -> None:
        queue = self.queue(message.queue)
        created, due, carried = born(message, now), start(message, now), message.carried or _NOTHING
        since = created if created < now else None
        record = Record(
            message=message,
            receipt=next(self.receipts),
            state=State.SCHEDULED if due > now else State.READY,
            created=created,
            due=due if due > now else since,
            expires=self._expiry(message, created),
            own=own(message.lane, message.meters),
            newest=queue.spec.lifo,
            attempt=carried.attempt,
            lost=carried.lost,
            failure=carried.failure,
        )
        for older in self.unique.running(message.unique) if message.unique and message.debounce > 0 else ():
            self._note_merged(older, message.id, now)
        self._stand_for_itself(message.id)
        self.records[message.id] = record
        self._size += len(message.body)
        self.unique.hold(record)
        queue.total["published"] += 1
        self._enter(record)

    def _promote(self, now: float) -> None:
        for gate in self.gates.over(now):
            self.gates.open(gate)
            self.tell_apart(gate.queue)
        while (first := self.scheduled.first()) is not None and first[0][0] <= now:
            self.shift(self.records[first[1]], Move.DUE, now)
        while (first := self._merges.first()) is not None and first[0][0] <= now:
            self._merges.remove(first[1])
            del self.merged[first[1]]

    def _tell(self) -> None:
        if self.stirred:
            self.work.notify(self.stirred)
            self.stirred = set()
        if self._ended:
            self.ends.notify()
            self._ended = False

    def _leave(self, record: Record) -> None:
        queue = self.queues[record.message.queue]
        queue.count[record.state] -= 1
        if record.state in WAITING:
            queue.size -= len(record.message.body)
            self._ended = self._ended or queue.limit is not None  # who waits for room waits for ends
        self.expiring.remove(record.id)
        match record.state:
            case State.READY:
                queue.remove(record)
            case State.SCHEDULED:
                self.scheduled.remove(record.id)
                queue.let_pass(record)
            case State.RUNNING:
                self._let_go(record)
            case _:
                self.dead.pop(record.id, None)

    def _enter(self, record: Record) -> None:
        queue = self.queues[record.message.queue]
        queue.count[record.state] += 1
        if record.state in WAITING:
            queue.size += len(record.message.body)
            self.stirred.add(record.message.queue)
            if record.expires is not None:
                self.expiring.add(record.id, (record.expires, record.receipt))
        match record.state:
            case State.READY:
                queue.add(record, self.bounds.place(record, queue.told))
            case State.SCHEDULED:
                self.scheduled.add(record.id, (record.since, record.receipt))
            case State.RUNNING:
                self.bounds.count(record, 1)
                self.running[record.id] = record
                self.workers[record.worker].holds[record.id] = record
            case State.DEAD:
                self.dead[record.id] = record
            case _:
                self.keep(record, (record.finished or 0.0) + self.settings.result_ttl)

    def free(self, record: Record) -> None:
        """It runs no more: its slots are free, and whoever waits for one of them hears of that."""
        self.bounds.count(record, -1)
        queue = self.queues[record.message.queue]
        slotted = [meter.name for meter in self.bounds.passed(record, queue) if meter.slots is not None]
        if {*slotted} & {*parts(record.own).meters}:  # messages of any queue may name these
            self.stirred.update(name for name, one in self.queues.items() if one.records)
        elif queue.records and (slotted or queue.shares is not None):
            self.stirred.add(queue.spec.name)

    def _let_go(self, record: Record) -> None:
        self.free(record)
        del self.running[record.id]
        record.asked = False
        if (worker := self.workers.get(record.worker)) is not None:
            del worker.holds[record.id]
            worker.asked.pop(record.id, None)

    def _end(self, record: Record, now: float) -> None:
        record.finished, record.order = now, next(self._orders)
        self._ended = True
        self.unique.free(record)
