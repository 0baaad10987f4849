"""The ten verbs, in memory: what each of them means, with nothing around it.

This is the reference: where a sentence of the contract can be read in two ways, the way it is done here counts. Each
verb takes the lock once, never awaits inside, and is over when it returns.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from forebay.engine.capabilities import HOUSE, Capabilities
from forebay.engine.contract import Beat, Depth, LaneDepth, Leased, Receipt, Recovered, Want
from forebay.engine.memory.record import WAITING, Queue, Record, Worker
from forebay.engine.memory.room import Refusals
from forebay.engine.memory.state import BURIED, SWEEP, Memory
from forebay.flow.grant import grant, why
from forebay.flow.lane import renamed, rerouted
from forebay.flow.limit import full_since, kept
from forebay.flow.portion import in_turn
from forebay.model.errors import LeaseLost
from forebay.model.lifecycle import Move, State
from forebay.model.message import Message
from forebay.model.meter import Meter
from forebay.model.outcome import Ack, Lose, Outcome, Park, Settlement
from forebay.model.queue import Declared, QueueSpec
from forebay.model.ruling import EXPIRED, SILENT, Standing, rule

#: Seconds that no run takes; what says so is not counted.
LONGEST = 1e9
#: Lanes that are told of a queue.
LANES = 100


class MemoryEngine:
    """`forebay.engine.contract.Engine` over a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._turn = 0

    @property
    def capabilities(self) -> Capabilities:
        """What this engine has."""
        return HOUSE["memory"]

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Tell whoever still waits; what is remembered goes with the object."""
        self._memory.work.close()
        self._memory.ends.close()

    async def declare(self, queues: Sequence[QueueSpec]) -> list[Declared]:
        """Make queues known, or change what they are."""
        with self._memory.verb() as now:
            return [self._memory.declare(spec, now) for spec in queues]

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """Accept messages in order, a receipt each."""
        with self._memory.verb() as now:
            refused = Refusals(self._memory.gates)
            return [self._memory.accept(message, now, refused) for message in messages]

    async def lease(self, want: Want) -> Leased:
        """Hand out what is due, open and waiting, and say what is to stop."""
        with self._memory.verb() as now:
            worker = self._memory.worker(want.worker)
            if worker is None:
                raise LeaseLost(f"worker {want.worker} has no lease: it has to start again under a new id")
            news = self._memory.work.version
            if want.limit > 0:
                self._memory.expire(now, SWEEP)
            records = self._share_out(want, now)
            return Leased([record.delivery() for record in records], tuple(worker.asked), news, now)

    async def extend(self, beats: Sequence[Beat]) -> list[bool]:
        """Renew or register workers; a lease that ran out, buried or not, stays lost."""
        with self._memory.verb() as now:
            return [self._beat(beat, now) for beat in beats]

    async def settle(self, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """Carry out the outcomes of what `worker` holds at the fence it names."""
        with self._memory.verb() as now:
            holder = self._memory.worker(worker)
            if holder is None:
                return [False] * len(settlements)
            return [self._settle(holder, settlement, now) for settlement in settlements]

    async def recover(self, lost: Sequence[str] = ()) -> Recovered:
        """Bury workers, and give what they held another chance, or an end."""
        with self._memory.verb() as now:
            workers = self._memory.workers
            gone = [name for name in workers if name in set(lost) or self._memory.worker(name) is None]
            strays = {record.worker: None for record in self._memory.running.values() if record.worker not in workers}
            buried = {*gone, *strays}
            held = [record for record in self._memory.running.values() if record.worker in buried]
            ends = [(self._carry_out(record, Lose(SILENT), now), record.message.id) for record in held]
            gone += strays
            for name in gone:
                self._bury(name)
            return Recovered.of(tuple(gone), ends)

    async def wait(self, queues: Sequence[str], timeout: float, since: int) -> None:
        """Sleep until something happened to these queues after that look, or the next message is due."""
        if queues:
            timeout = min(timeout, await self._left(queues))
        await self._memory.work.wait(since, timeout, queues)

    async def _left(self, queues: Sequence[str]) -> float:
        """Seconds until time alone makes something ready."""
        with self._memory.verb() as now:
            return self._memory.upcoming(queues, now) - now

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """Numbers per queue, in the order asked, by name if all; a queue that nobody made has zeros."""
        with self._memory.verb() as now:
            names = sorted(self._memory.queues) if queues is None else queues
            return [self._depth(name, now) for name in names]

    def _share_out(self, want: Want, now: float) -> list[Record]:
        """Each lane gives its share first, so that a long one starves nobody; then what is left over."""
        lanes, caps = self._lanes(want), dict(want.caps)  # a fair queue is one of them, and shares out by itself
        if not lanes:
            return []
        lanes = in_turn(lanes, lambda one: one[0].spec.name, self._turn)
        self._turn += min(want.limit, len(lanes))
        taken: list[Record] = []
        for share in (-(-want.limit // len(lanes)), want.limit):
            for queue, place in lanes:
                limit = min(share, want.limit - len(taken))
                if place is None:
                    taken += self._share_fairly(queue, want.worker, (limit, want.limit - len(taken)), caps, now)
                    continue
                while limit > 0 and (record := self._head(queue, place, caps, now)) is not None:
                    taken.append(self._start(record, want.worker, now))
                    limit -= 1
        return taken

    def _start(self, record: Record, worker: str, now: float) -> Record:
        record.worker, record.started = worker, now
        record.attempt += 1
        record.fence += 1
        self._memory.shift(record, Move.LEASE, now)
        return record

    def _share_fairly(
        self, queue: Queue, worker: str, asked: tuple[int, int], caps: dict[str, int], now: float
    ) -> list[Record]:
        """Of a fair queue, by turns: who has used less is first. `asked`: of this queue, and in all."""
        taken: list[Record] = []
        if queue.shares is None:
            return taken

        def start(lane: str) -> bool:
            record = self._head(queue, lane, caps, now)
            taken.extend([] if record is None else [self._start(record, worker, now)])
            return record is not None

        holder = self._memory.workers[worker]
        limit = queue.shares.at_once(asked[0], holder.beat.concurrency, len(holder.holds))
        queue.shares.share_out((limit, asked[1]), self._slots(queue.spec.name), now, start)
        return taken

    def _slots(self, queue: str) -> int:
        """Of all workers that serve a queue; 0 if they do not say."""
        alive = [one for name, one in self._memory.workers.items() if self._memory.worker(name) is not None]
        return sum(one.beat.concurrency for one in alive if queue in one.beat.queues)

    def _lanes(self, want: Want) -> list[tuple[Queue, str | None]]:
        known = [name for name in dict.fromkeys(want.queues) if name in self._memory.queues]
        queues = [self._memory.queues[name] for name in known]
        places: list[tuple[Queue, str | None]] = []
        for queue in queues:
            places += [(queue, place) for place in queue.lines] if queue.shares is None else [(queue, None)]
        return places

    def _head(self, queue: Queue, place: str, caps: dict[str, int], now: float) -> Record | None:
        """The first message of a lane, if it may start now: then it counts for caps and meters."""
        while (line := queue.lines.get(place)) is not None and (id_ := line.head()) is not None:
            record = self._memory.records[id_]
            if record.expires is not None and record.expires <= now:
                self._memory.shift(record, Move.EXPIRE, now, EXPIRED)
                continue
            bounds, lane = self._memory.bounds, record.lane
            if caps.get(lane, 1) <= 0 or queue.held_until(record) is not None or self._memory.gates.is_shut(record):
                return None
            if not bounds.pass_one(record, queue, now):
                return None
            if lane in caps:
                caps[lane] -= 1
            return record
        return None

    def _beat(self, beat: Beat, now: float) -> bool:
        memory = self._memory
        until = memory.clock.monotonic() + beat.lease
        if beat.worker in memory.buried:
            return False
        if beat.worker not in memory.workers:
            memory.workers[beat.worker] = Worker(beat, until, now)
            return True
        worker = memory.worker(beat.worker)
        if worker is None:
            return False
        worker.beat, worker.until = beat, until
        return True

    def _settle(self, worker: Worker, settlement: Settlement, now: float) -> bool:
        delivery, outcome = settlement.delivery, settlement.outcome
        record = worker.holds.get(delivery.id)
        if record is None or (record.receipt, record.fence) != (delivery.receipt, delivery.fence):
            if (ended := worker.slots.pop((delivery.id, delivery.fence), None)) is not None:
                self._free(ended, settlement.took)
            return False
        if settlement.took > 0:
            self._memory.queues[record.message.queue].seconds += settlement.took
        if settlement.unspent:
            self._memory.bounds.give_back(record, self._memory.queues[record.message.queue], now)
        holds = isinstance(outcome, Ack) and outcome.holds
        if not holds:
            self._leave(record, settlement.took)
        self._carry_out(record, outcome, now, left=True)
        if holds:
            self._memory.bounds.count(record, 1)
            worker.slots[record.id, record.fence] = record
        return True

    def _carry_out(self, record: Record, outcome: Outcome, now: float, *, left: bool = False) -> Move:
        """What becomes of it; `left`: its turn was counted already."""
        if not left:
            self._leave(record)
        if isinstance(outcome, Park) and outcome.until is not None and outcome.until > now:
            self._memory.gates.throttle(record.message.queue, outcome.lane, outcome.reason, outcome.until, now)
        ruling = rule(outcome, self._standing(record, outcome), now)
        record.attempt -= ruling.refund
        record.lost, record.failure = ruling.lost, ruling.failure or record.failure
        record.due = record.due if ruling.due is None else ruling.due
        own = record.own if ruling.lane is None else renamed(record.own, ruling.lane)
        if ruling.known is not None:
            record.unknown_since = None if ruling.known else record.unknown_since or now
        if isinstance(outcome, Ack):
            record.result = outcome.result
        queue = self._memory.queues[record.message.queue]
        if ruling.queue is not None:
            record.first = False
            self._memory.shift(record, ruling.move, now, ruling.cause)
            name, headers = ruling.queue
            message = replace(record.message, queue=name, headers=None if headers is None else dict(headers))
            self._memory.rename(record, rerouted(record.own), message)
            return ruling.move
        record.first = ruling.state in WAITING and queue.spec.ordered and record.message.key is not None
        self._memory.shift(record, ruling.move, now, ruling.cause)
        self._memory.rename(record, own)
        if record.state is State.SCHEDULED and record.first:
            queue.hold(record)
        if isinstance(outcome, Ack) and outcome.keep is not None:
            self._memory.keep(record, now + outcome.keep)
        return ruling.move

    def _standing(self, record: Record, outcome: Outcome) -> Standing:
        memory, message = self._memory, record.message
        return Standing(
            asked=record.asked,
            lost=record.lost,
            newer=memory.unique.newer(record),
            shut=isinstance(outcome, Park) and not memory.gates.is_open(message.queue, outcome.lane),
        )

    def _leave(self, record: Record, took: float = 0.0) -> None:
        """It runs no more, and ran for `took` seconds: where keys share by that, it counts."""
        if (shares := self._memory.queues[record.message.queue].shares) is not None:
            shares.leave(record.place, [took] if 0 < took < LONGEST else [])

    def _free(self, record: Record, took: float = 0.0) -> None:
        """One that was done before it ran has ended: its slots are free."""
        self._leave(record, took)
        self._memory.free(record)

    def _bury(self, name: str) -> None:
        worker = self._memory.workers.pop(name, None)
        for record in () if worker is None else worker.slots.values():
            self._free(record)
        self._memory.buried[name] = None
        if len(self._memory.buried) > BURIED:
            del self._memory.buried[next(iter(self._memory.buried))]

    def _depth(self, name: str, now: float) -> Depth:
        queue = self._memory.queues.get(name) or Queue(QueueSpec(name=name))
        waiting = (State.SCHEDULED, State.RUNNING, State.DEAD)
        numbers: dict[str, Any] = {**{state.value: queue.count[state] for state in waiting}, **queue.total}
        shut = self._shut(queue)
        ready = len(queue.records) - len(shut)
        held = {record.id for record in shut}
        oldest = min((record.since for record in queue.records.values() if record.id not in held), default=now)
        return Depth(
            queue=name,
            ready=ready,
            parked=len(shut),
            age=max(0.0, now - oldest),
            held=max(0.0, now - min((record.since for record in shut), default=now)),
            paused=self._memory.gates.is_paused(name),
            lanes=self._lane_depths(queue, held, now),
            seconds=queue.seconds,
            limit=queue.spec.limit,
            limit_bytes=queue.spec.limit_bytes,
            size=queue.size if queue.spec.limit_bytes is not None else 0,
            reserved=0 if queue.limit is None else kept(queue.limit),
            full=self._full(queue, now),
            **numbers,
        )

    @staticmethod
    def _full(queue: Queue, now: float) -> float:
        if queue.limit is None or queue.drain is None:
            return 0.0
        return full_since(queue.limit, queue.drain.full, queue.level(now))

    def _shut(self, queue: Queue) -> list[Record]:
        """What is ready but for a gate: its own, or that of the first of its key, where keys are in order."""
        gates, records = self._memory.gates, self._memory.records
        if not gates.closed(queue.spec.name):
            return []
        heads = [records[line.head() or ""] for line in queue.lines.values()] if queue.spec.ordered else []
        behind = {head.message.key for head in heads if head.message.key is not None and gates.is_shut(head)}
        return [one for one in queue.records.values() if one.message.key in behind or gates.is_shut(one)]

    def _lane_depths(self, queue: Queue, held: set[str], now: float) -> tuple[LaneDepth, ...]:
        """The deepest lanes that are not just the main one."""
        bounds, running = self._memory.bounds, Counter[str]()
        for record in self._memory.running.values():
            if record.message.queue == queue.spec.name:
                running[bounds.place(record, queue.told)] += 1
        special = sorted(({*queue.lines} | {*running}) - {""}, key=lambda lane: (-len(queue.lines.get(lane, ())), lane))
        found = [self._lane_depth(queue, lane, running[lane], held, now) for lane in special[:LANES]]
        if (meter := bounds.of_queue(queue)) is not None and queue.records:
            found.insert(0, self._main(queue, meter, held, now))
        return tuple(found[:LANES])

    def _main(self, queue: Queue, meter: Meter, held: set[str], now: float) -> LaneDepth:
        """The main lane of a queue that has a meter of its own, which stands for the queue."""
        ids, answer = list(queue.lines.get("", ())), grant(meter, now, 1)
        parked = sum(id_ in held for id_ in ids)
        return LaneDepth(
            lane="", ready=len(ids) - parked, parked=parked, running=meter.running,
            go=now if answer.n else answer.again, why=why(meter, now),
        )  # fmt: skip

    def _lane_depth(self, queue: Queue, lane: str, running: int, held: set[str], now: float) -> LaneDepth:
        ids = list(queue.lines.get(lane, ()))
        head = None if not ids else self._memory.records[queue.lines[lane].head() or ""]
        parked = sum(id_ in held for id_ in ids)
        why = self._why(queue, head, held, now) if head is not None else ""
        slow = why or self._why_fair(queue, lane, now)
        return LaneDepth(
            lane=lane, ready=len(ids) - parked, parked=parked, running=running,
            go=None if head is None or slow != why else self._go(queue, head, held, now), why=slow,
        )  # fmt: skip

    def _go(self, queue: Queue, head: Record, held: set[str], now: float) -> float | None:
        again, until = self._memory.bounds.again(head, queue, now), queue.held_until(head)
        return None if again is None or head.id in held else max(again, until or now)

    def _why_fair(self, queue: Queue, lane: str, now: float) -> str:
        """What the others of a fair queue have to do with it."""
        shares = queue.shares if queue.lines.get(lane) else None
        return "" if shares is None else shares.why(lane, self._slots(queue.spec.name), now)

    def _why(self, queue: Queue, head: Record, held: set[str], now: float) -> str:
        if head.id in held:
            return "closed"
        if (text := self._memory.bounds.why(head, queue, now)) or (until := queue.held_until(head)) is None:
            return text
        return f"an earlier one of it is tried again first, in {until - now:.3g} s"
