"""The ten verbs, in memory: what each of them means, with nothing around it.

This is the reference: where a sentence of the contract can be read in two ways, the way it is done here counts. Each
verb takes the lock once, never awaits inside, and is over when it returns.
"""

from collections.abc import Sequence
from typing import Any

from forebay.engine.capabilities import HOUSE, Capabilities
from forebay.engine.contract import Beat, Depth, Leased, Receipt, Recovered, Want
from forebay.engine.memory.line import Line
from forebay.engine.memory.record import Queue, Record, Worker
from forebay.engine.memory.state import BURIED, SWEEP, Memory
from forebay.model.errors import LeaseLost
from forebay.model.lifecycle import Move, State
from forebay.model.message import Message
from forebay.model.outcome import Ack, Lose, Outcome, Park, Settlement
from forebay.model.queue import QueueSpec
from forebay.model.ruling import EXPIRED, SILENT, Standing, rule


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

    async def declare(self, queues: Sequence[QueueSpec]) -> None:
        """Make queues known, or change what they are."""
        with self._memory.verb():
            for spec in queues:
                self._memory.queue(spec.name).spec = spec

    async def publish(self, messages: Sequence[Message]) -> list[Receipt]:
        """Accept messages in order, a receipt each."""
        with self._memory.verb() as now:
            return [self._memory.accept(message, now) for message in messages]

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
            ends = [self._carry_out(record, Lose(SILENT), now) for record in held]
            gone += strays
            for name in gone:
                self._bury(name)
            return Recovered(tuple(gone), ends.count(Move.LOSE), ends.count(Move.QUARANTINE))

    async def wait(self, queues: Sequence[str], timeout: float, since: int) -> None:
        """Sleep until something happened to these queues after that look, or the next message is due."""
        if queues:
            timeout = min(timeout, await self._left())
        await self._memory.work.wait(since, timeout, queues)

    async def _left(self) -> float:
        """Seconds until the next message is due, or a gate opens by itself."""
        with self._memory.verb() as now:
            return self._memory.upcoming() - now

    async def depth(self, queues: Sequence[str] | None = None) -> list[Depth]:
        """Numbers per queue, in the order asked, by name if all; a queue that nobody made has zeros."""
        with self._memory.verb() as now:
            names = sorted(self._memory.queues) if queues is None else queues
            return [self._depth(name, now) for name in names]

    def _share_out(self, want: Want, now: float) -> list[Record]:
        """Each open lane gives its share first, so that a long one starves nobody; then what is left over."""
        lanes, caps = self._open_lanes(want), dict(want.caps)
        if not lanes:
            return []
        start = self._turn % len(lanes)
        self._turn += min(want.limit, len(lanes))
        taken: list[Record] = []
        for share in (-(-want.limit // len(lanes)), want.limit):
            for lane, line in lanes[start:] + lanes[:start]:
                before, limit = len(taken), min(share, want.limit - len(taken), caps.get(lane, share))
                self._take(line, limit, want.worker, now, taken)
                if lane in caps:
                    caps[lane] -= len(taken) - before
        return taken

    def _open_lanes(self, want: Want) -> list[tuple[str, Line]]:
        known = [name for name in dict.fromkeys(want.queues) if name in self._memory.queues]
        lanes = [(name, lane, line) for name in known for lane, line in self._memory.queues[name].lines.items()]
        return [
            (lane, line)
            for name, lane, line in lanes
            if want.caps.get(lane, 1) > 0 and self._memory.is_open(name, lane)
        ]

    def _take(self, line: Line, limit: int, worker: str, now: float, taken: list[Record]) -> None:
        while limit > 0 and (first := line.first()) is not None:
            record = self._memory.records[first[1]]
            if record.expires is not None and record.expires <= now:
                self._memory.shift(record, Move.EXPIRE, now, EXPIRED)
                continue
            record.worker, record.started = worker, now
            record.attempt += 1
            record.fence += 1
            self._memory.shift(record, Move.LEASE, now)
            taken.append(record)
            limit -= 1

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
            return False
        if settlement.took > 0:
            self._memory.queues[record.message.queue].seconds += settlement.took
        self._carry_out(record, outcome, now)
        return True

    def _carry_out(self, record: Record, outcome: Outcome, now: float) -> Move:
        ruling = rule(outcome, self._standing(record, outcome), now)
        record.attempt -= ruling.refund
        record.lost, record.failure = ruling.lost, ruling.failure or record.failure
        record.due = record.due if ruling.due is None else ruling.due
        record.lane = record.lane if ruling.lane is None else ruling.lane
        if ruling.known is not None:
            record.unknown_since = None if ruling.known else record.unknown_since or now
        if isinstance(outcome, Ack):
            record.result = outcome.result
        self._memory.shift(record, ruling.move, now, ruling.cause)
        if isinstance(outcome, Ack) and outcome.keep is not None:
            self._memory.keep(record, now + outcome.keep)
        return ruling.move

    def _standing(self, record: Record, outcome: Outcome) -> Standing:
        memory, message = self._memory, record.message
        return Standing(
            asked=record.asked,
            lost=record.lost,
            newer=memory.waiting_with(message.unique) if message.unique is not None else "",
            shut=isinstance(outcome, Park) and not memory.is_open(message.queue, outcome.lane),
        )

    def _bury(self, name: str) -> None:
        self._memory.workers.pop(name, None)
        self._memory.buried[name] = None
        if len(self._memory.buried) > BURIED:
            del self._memory.buried[next(iter(self._memory.buried))]

    def _depth(self, name: str, now: float) -> Depth:
        queue = self._memory.queues.get(name) or Queue(QueueSpec(name=name))
        oldest = queue.ages.first()
        waiting = (State.READY, State.SCHEDULED, State.RUNNING, State.PARKED, State.DEAD)
        numbers: dict[str, Any] = {**{state.value: queue.count[state] for state in waiting}, **queue.total}
        return Depth(
            queue=name,
            age=0.0 if oldest is None else max(0.0, now - oldest[0][0]),
            paused=(name, None) in self._memory.gates,
            seconds=queue.seconds,
            **numbers,
        )
