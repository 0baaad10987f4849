"""The smallest engine that keeps the promises of the live verbs: one dict, in one process, gone with it.

`docs/how-to/add-an-engine.md` walks through it, and `test_toy_engine.py` holds it to the suite. It has no priorities,
no unique keys, no cancelling and no browsing, keeps no results and knows no meters, and declares all that. It looks at
every message at every lease: an engine for use would keep lines.
"""

import itertools
from collections import Counter

import msgspec

from forebay.engine.aside import Aside, carried_out_aside
from forebay.engine.capabilities import Capabilities
from forebay.engine.contract import Depth, Fate, Leased, Receipt, Recovered
from forebay.engine.waiting import Signal
from forebay.model.delivery import Delivery
from forebay.model.errors import LeaseLost
from forebay.model.lifecycle import FINAL, Move, State
from forebay.model.message import Carried, Message, born, start
from forebay.model.outcome import Lose
from forebay.model.queue import Declared, QueueSpec
from forebay.model.ruling import SILENT, Standing, rule

LACKS = ("durable", "shared", "browse", "priorities", "unique", "cancel", "results", "meters", "limits")
#: Which total of `Depth` a move adds to.
TOTALS = {
    Move.ACK: "done", Move.RETRY: "retried", Move.DEAD_LETTER: "died", Move.QUARANTINE: "died",
    Move.CANCEL: "cancelled", Move.EXPIRE: "expired", Move.DISCARD: "discarded",
}  # fmt: skip


class Entry(msgspec.Struct):
    """A live message and how it stands. `due`: since when it may run. `worker`: who holds it, None while it waits."""

    message: Message
    receipt: int
    created: float
    due: float
    expires: float | None
    lane: str
    attempt: int
    lost: int
    fence: int = 0
    worker: str | None = None
    unknown_since: float | None = None

    def state(self, now):
        if self.worker is not None:
            return "running"
        return "ready" if self.due <= now else "scheduled"


@carried_out_aside(but=("open", "close", "wait"))  # a caller may be struck at any step, the thread aside is not
class Toy:
    """`forebay.engine.contract.Engine`, and nothing of `forebay.store.contract`."""

    capabilities = Capabilities(**dict.fromkeys(LACKS, False))

    def __init__(self, clock):
        self.aside, self._clock, self._news = Aside(), clock, Signal()
        self._live, self._ended = {}, set()  # entries by id, in order of acceptance; ids that were live once
        self._workers, self._buried = {}, set()  # until when a lease holds, monotonic; ids that are spent
        self._specs, self._firm, self._totals, self._receipts, self._turn = {}, set(), {}, itertools.count(1), 0

    async def publish(self, messages):
        return [self._accept(message, self._clock.now()) for message in messages]

    async def settle(self, worker, settlements):
        now = self._clock.now()
        return [self._holds(worker, one.delivery) and self._settle(one, now) for one in settlements]

    def _holds(self, worker, delivery):
        entry = self._live.get(delivery.id)
        held = entry is not None and (entry.worker, entry.receipt, entry.fence)
        return self._alive(worker) and held == (worker, delivery.receipt, delivery.fence)

    def _carry_out(self, entry, outcome, now):
        """What becomes of a message is not ours to decide: `rule` says it, for every engine alike."""
        ruling = rule(outcome, Standing(lost=entry.lost), now)
        entry.worker, entry.lost, entry.attempt = None, ruling.lost, entry.attempt - ruling.refund
        entry.lane = entry.lane if ruling.lane is None else ruling.lane
        entry.due = entry.due if ruling.due is None else ruling.due
        if ruling.known is not None:
            entry.unknown_since = None if ruling.known else entry.unknown_since or now
        self._count(entry, ruling.move)
        if ruling.state in FINAL:
            self._end(entry, ruling.state)
        else:
            self._news.notify([entry.message.queue])
        return ruling.move

    async def open(self):
        """Nothing to connect to."""

    async def close(self):
        self._news.close()

    async def declare(self, queues):
        return [self._declare(spec) for spec in queues]

    def _declare(self, spec):
        before = self._specs.get(spec.name, QueueSpec(name=spec.name))
        if spec.holds(firm=spec.name in self._firm):
            self._specs[spec.name] = spec.plain()
            self._firm |= set() if spec.mild else {spec.name}
        self._totals.setdefault(spec.name, Counter())
        return Declared(before, self._specs.setdefault(spec.name, before))

    async def lease(self, want):
        if not self._alive(want.worker):
            raise LeaseLost(f"worker {want.worker} has no lease: it has to start again under a new id")
        now, news = self._clock.now(), self._news.version  # the mark first: what comes later is news
        taken = list(itertools.islice(self._startable(want, now), want.limit))
        return Leased([self._deliver(entry, want.worker) for entry in taken], (), news, now)

    async def extend(self, beats):
        return [self._beat(beat) for beat in beats]

    async def recover(self, lost=()):
        gone = [worker for worker in self._workers if worker in set(lost) or not self._alive(worker)]
        self._buried.update(gone)
        for worker in gone:
            del self._workers[worker]
        held = [entry for entry in self._live.values() if entry.worker in gone]
        moves = [(self._carry_out(entry, Lose(SILENT), self._clock.now()), entry.message.id) for entry in held]
        return Recovered.of(gone, moves)

    async def wait(self, queues, timeout, since):
        now = self._clock.now()
        dues = [one.due - now for one in list(self._live.values()) if one.message.queue in queues and one.due > now]
        await self._news.wait(since, min([timeout, *dues]), queues)

    async def depth(self, queues=None):
        return [self._depth(name) for name in (sorted(self._totals) if queues is None else queues)]

    def _accept(self, message, now):
        if message.id in self._live or message.id in self._ended:
            return Receipt(message.id, Fate.DUPLICATE)
        spec = self._specs.setdefault(message.queue, QueueSpec(name=message.queue))
        carried, created, ttl = message.carried or Carried(), born(message, now), message.ttl
        ttl = spec.ttl if ttl is None else ttl
        due = start(message, now)
        self._live[message.id] = Entry(
            message, next(self._receipts), created, due if due > now else created,
            None if ttl is None else created + ttl, message.lane, carried.attempt, carried.lost,
        )  # fmt: skip
        self._totals.setdefault(message.queue, Counter())["published"] += 1
        self._news.notify([message.queue])
        return Receipt(message.id)

    def _startable(self, want, now):
        """What may start now: a message of each lane in turn, from where the last lease ended, each lane in order."""
        lanes, caps = {}, dict(want.caps)
        for entry in list(self._live.values()):
            if entry.message.queue in want.queues and entry.state(now) == "ready":
                if entry.expires is None or entry.expires > now:
                    lanes.setdefault((entry.message.queue, entry.lane), []).append(entry)
                else:
                    self._count(entry, Move.EXPIRE)
                    self._end(entry, State.EXPIRED)
        lines = sorted(lanes.items())
        first = self._turn % len(lines) if lines else 0
        for row in itertools.zip_longest(*(line for _, line in lines[first:] + lines[:first])):
            for entry in filter(None, row):
                if caps.get(entry.lane, 1) > 0:
                    caps.update({entry.lane: caps[entry.lane] - 1} if entry.lane in caps else {})
                    self._turn += 1
                    yield entry

    def _deliver(self, entry, worker):
        entry.worker, entry.fence, entry.attempt = worker, entry.fence + 1, entry.attempt + 1
        message = entry.message
        return Delivery(
            receipt=entry.receipt, id=message.id, queue=message.queue, task=message.task, body=message.body,
            fence=entry.fence, attempt=entry.attempt, lost=entry.lost, created=entry.created, expires=entry.expires,
            priority=message.priority, lane=entry.lane, key=message.key, headers=message.headers,
            unknown_since=entry.unknown_since,
        )  # fmt: skip

    def _settle(self, settlement, now):
        entry = self._live[settlement.delivery.id]
        self._totals[entry.message.queue]["seconds"] += max(0.0, settlement.took)
        self._carry_out(entry, settlement.outcome, now)
        return True

    def _alive(self, worker):
        return self._workers.get(worker, 0.0) > self._clock.monotonic()

    def _beat(self, beat):
        if beat.worker in self._buried or (beat.worker in self._workers and not self._alive(beat.worker)):
            return False
        self._workers[beat.worker] = self._clock.monotonic() + beat.lease
        return True

    def _count(self, entry, move):
        if move in TOTALS:
            self._totals[entry.message.queue][TOTALS[move]] += 1

    def _end(self, entry, state):
        del self._live[entry.message.id]
        self._ended.add(entry.message.id)
        self._totals[entry.message.queue]["dead"] += state is State.DEAD

    def _depth(self, name):
        now, totals = self._clock.now(), dict(self._totals.get(name, ()))
        mine = [entry for entry in list(self._live.values()) if entry.message.queue == name]
        ages = [now - entry.due for entry in mine if entry.state(now) == "ready"]
        return Depth(queue=name, age=max(ages, default=0.0), **totals, **Counter(entry.state(now) for entry in mine))
