"""Gates, schedules and worker rows: the small shared state beside the messages."""

from collections.abc import Sequence

import msgspec

from forebay.engine.memory.state import Memory
from forebay.model.lifecycle import Move
from forebay.model.message import Message
from forebay.store.contract import Gate, Schedule, WorkerRow


class MemoryStore:
    """`Gates`, `Schedules` and `Workers` of `forebay.store.contract` over a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def close_gate(self, queue: str, lane: str | None = None, reason: str = "") -> None:
        """Stop leases; a gate that is closed already keeps its time and takes the new reason."""
        with self._memory.verb() as now:
            before = self._memory.gates.get((queue, lane))
            since = now if before is None else before.since
            self._memory.gates[queue, lane] = Gate(queue, lane, reason, since)

    async def open_gate(self, queue: str, lane: str | None = None) -> None:
        """Allow leases, and wake what was parked behind the gate."""
        with self._memory.verb() as now:
            self._memory.gates.pop((queue, lane), None)
            for record in list(self._memory.queue(queue).parked.values()):
                if lane is None or record.lane == lane:
                    self._memory.shift(record, Move.UNPARK, now)
            self._memory.work.notify([queue])

    async def gates(self) -> list[Gate]:
        """The closed ones, by queue and lane, whole queues first."""
        with self._memory.verb():
            return sorted(self._memory.gates.values(), key=lambda gate: (gate.queue, gate.lane is not None, gate.lane))

    async def put_schedules(self, schedules: Sequence[Schedule]) -> None:
        """Add or change; only a changed cron or time zone moves the next tick."""
        with self._memory.verb():
            for new in schedules:
                self._memory.schedules[new.name] = _merged(self._memory.schedules.get(new.name), new)

    async def schedules(self) -> list[Schedule]:
        """All, by name."""
        with self._memory.verb():
            return sorted(self._memory.schedules.values(), key=lambda schedule: schedule.name)

    async def fire(self, name: str, tick: float, following: float, messages: Sequence[Message]) -> bool:
        """Publish the messages of a tick, if nobody was first and the schedule is not paused."""
        with self._memory.verb() as now:
            schedule = self._memory.schedules.get(name)
            if schedule is None or schedule.paused or schedule.next != tick:
                return False
            self._memory.schedules[name] = msgspec.structs.replace(schedule, next=following, last=tick)
            for message in messages:
                self._memory.accept(message, now)
            return True

    async def drop_schedules(self, names: Sequence[str]) -> None:
        """Remove them."""
        with self._memory.verb():
            for name in names:
                self._memory.schedules.pop(name, None)

    async def pause_schedule(self, name: str, paused: bool) -> bool:
        """Stop or start one."""
        with self._memory.verb():
            schedule = self._memory.schedules.get(name)
            if schedule is None:
                return False
            self._memory.schedules[name] = msgspec.structs.replace(schedule, paused=paused)
            return True

    async def workers(self) -> list[WorkerRow]:
        """The workers whose row still stands, the longest running first."""
        with self._memory.verb():
            monotonic = self._memory.clock.monotonic()
            fields = [(row, msgspec.structs.asdict(row.beat)) for row in self._memory.workers.values()]
            return [
                WorkerRow(
                    started=row.started,
                    left=row.until - monotonic,
                    **{name: value for name, value in beat.items() if name != "lease"},
                )
                for row, beat in fields
            ]


def _merged(old: Schedule | None, new: Schedule) -> Schedule:
    if old is None:
        return new
    following = old.next if (old.cron, old.tz) == (new.cron, new.tz) else new.next
    return msgspec.structs.replace(new, next=following, last=old.last, paused=old.paused)
