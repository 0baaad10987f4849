"""Gates, schedules, worker rows and the audit: the small shared state beside the messages."""

from collections.abc import Sequence
from itertools import islice

import msgspec

from forebay.engine.gating import Gating
from forebay.engine.memory.state import Memory
from forebay.model.gate import Gate
from forebay.model.message import Message
from forebay.store.records import AuditLine, Schedule, Steered, WorkerRow


class MemoryStore(Gating):
    """`Gates`, `Schedules`, `Workers` and `Audits` of `forebay.store.contract` over a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def _close_gate(self, gate: Gate) -> None:
        with self._memory.verb() as now:
            self._memory.gates.close(msgspec.structs.replace(gate, since=now))
            self._memory.tell_apart(gate.queue)

    async def _open_gate(self, gate: Gate) -> None:
        with self._memory.verb():
            self._memory.gates.open(gate)
            self._memory.tell_apart(gate.queue)

    async def gates(self) -> list[Gate]:
        """The closed ones, by queue, lane (whole queues first) and holder."""
        with self._memory.verb():
            return self._memory.gates.closed()

    async def steer(self, rows: Sequence[Steered]) -> list[bool]:
        """Add, change or remove those whose generation is that of the one there."""
        with self._memory.verb():
            return [self._steer(row) for row in rows]

    def _steer(self, row: Steered) -> bool:
        there, steered = self._memory.steered.get(row.name), self._memory.steered
        if row.generation != (0 if there is None else there.generation):
            return False
        steered[row.name] = msgspec.structs.replace(row, generation=row.generation + 1)
        if not row.body:
            del steered[row.name]
        return True

    async def steered(self, names: Sequence[str] | None = None) -> list[Steered]:
        """Those of these names that there are, or all, by name."""
        with self._memory.verb():
            steered = self._memory.steered
            return [steered[name] for name in sorted(steered if names is None else {*names} & {*steered})]

    async def put_schedules(self, schedules: Sequence[Schedule]) -> None:
        """Add or change; only a changed cron or time zone moves the next tick."""
        with self._memory.verb() as now:
            for new in schedules:
                self._memory.schedules[new.name] = _merged(self._memory.schedules.get(new.name), new, now)

    async def schedules(self) -> list[Schedule]:
        """All, by name."""
        with self._memory.verb():
            return sorted(self._memory.schedules.values(), key=lambda schedule: schedule.name)

    async def now(self) -> float:
        """The present time."""
        return self._memory.clock.now()

    async def fire(
        self, name: str, tick: float, following: float, messages: Sequence[Message], last: float | None = None
    ) -> bool:
        """Publish the messages of a tick, if nobody was first and the schedule is not paused."""
        with self._memory.verb() as now:
            schedule = self._memory.schedules.get(name)
            if schedule is None or schedule.paused or schedule.next != tick or tick > now:
                return False
            newest = schedule.last if not messages else tick if last is None else last
            self._memory.schedules[name] = msgspec.structs.replace(schedule, next=following, last=newest)
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
        with self._memory.verb() as now:
            schedule = self._memory.schedules.get(name)
            if schedule is None:
                return False
            missed = schedule.paused and not paused and schedule.next <= now
            upcoming = 0.0 if missed else schedule.next
            self._memory.schedules[name] = msgspec.structs.replace(schedule, paused=paused, next=upcoming)
            return True

    async def note(self, actor: str, verb: str, target: str, detail: str = "") -> None:
        """Write down what somebody did."""
        with self._memory.verb() as now:
            lines = self._memory.audits
            seq = lines[-1].seq + 1 if lines else 1
            lines.append(AuditLine(seq=seq, at=now, actor=actor, verb=verb, target=target, detail=detail))

    async def audits(self, limit: int = 50, before: int | None = None) -> list[AuditLine]:
        """The newest first."""
        with self._memory.verb():
            older = (line for line in reversed(self._memory.audits) if before is None or line.seq < before)
            return list(islice(older, limit))

    async def workers(self, host: str | None = None) -> list[WorkerRow]:
        """The workers whose row still stands, the longest running first."""
        with self._memory.verb():
            monotonic = self._memory.clock.monotonic()
            fields = [(row, msgspec.structs.asdict(row.beat)) for row in self._memory.workers.values()]
            return [
                WorkerRow(
                    started=row.started,
                    left=row.until - monotonic,
                    **beat,
                )
                for row, beat in fields
                if host in (None, row.beat.host)
            ]


def _merged(old: Schedule | None, new: Schedule, now: float) -> Schedule:
    if old is None:
        return msgspec.structs.replace(new, declared=now)
    following = old.next if (old.cron, old.tz) == (new.cron, new.tz) else new.next
    return msgspec.structs.replace(new, next=following, last=old.last, paused=old.paused, declared=now)
