"""Closed gates, and what they hold: what is ready behind one is parked to whoever looks, and is written nowhere."""

from msgspec.structs import replace

from forebay.engine.memory.record import Record
from forebay.flow.lane import shut
from forebay.model.gate import THROTTLE, Gate
from forebay.model.lifecycle import State

#: What a gate is about: queue, lane, task, key.
About = tuple[str, str | None, str | None, str | None]


class Gates:
    """The closed gates of one memory, by what they are about, then by holder."""

    def __init__(self) -> None:
        self._gates: dict[About, dict[str, Gate]] = {}

    def close(self, gate: Gate) -> None:
        """Close one, or change why and until when; it keeps its time."""
        holders = self._gates.setdefault((gate.queue, gate.lane, gate.task, gate.key), {})
        before = holders.get(gate.holder)
        holders[gate.holder] = gate if before is None else replace(gate, since=before.since)

    def throttle(self, queue: str, lane: str, reason: str, until: float, now: float) -> None:
        """Close a lane until a time that somebody was told; an earlier one changes nothing."""
        before = self._gates.get((queue, lane, None, None), {}).get(THROTTLE)
        if before is None or before.until is None or before.until <= until:
            self.close(Gate(queue, lane, reason, now, THROTTLE, until))

    def open(self, gate: Gate) -> None:
        """Open one for its holder."""
        about = (gate.queue, gate.lane, gate.task, gate.key)
        holders = self._gates.get(about, {})
        holders.pop(gate.holder, None)
        if not holders:
            self._gates.pop(about, None)

    def closed(self, queue: str | None = None) -> list[Gate]:
        """All that are closed; those that may hold something of one queue."""
        gates = [gate for holders in self._gates.values() for gate in holders.values()]
        return sorted((gate for gate in gates if queue is None or gate.queue in ("", queue)), key=Gate.order)

    def over(self, now: float) -> list[Gate]:
        """Those whose time has come."""
        return [gate for gate in self.closed() if gate.until is not None and gate.until <= now]

    def is_paused(self, queue: str) -> bool:
        """Whether all of a queue is closed."""
        return (queue, None, None, None) in self._gates

    def opens(self, queue: str) -> float | None:
        """When a queue goes on, all of which is closed; None if it is not, or if somebody holds it for good."""
        times = [gate.until for gate in self._gates.get((queue, None, None, None), {}).values()]
        ends = [until for until in times if until is not None]
        return max(ends) if ends and len(ends) == len(times) else None

    def is_open(self, queue: str, lane: str) -> bool:
        """Whether a lane, and its queue, are open."""
        return not self.is_paused(queue) and (queue, lane, None, None) not in self._gates

    def is_shut(self, record: Record) -> bool:
        """Whether a gate holds this message."""
        message = record.message
        return bool(self._gates) and any(
            shut(gate, message.queue, record.lane, message.task, message.key) for gate in self.closed(message.queue)
        )

    def shown(self, record: Record) -> State:
        """The state of a message as others see it."""
        return State.PARKED if record.state is State.READY and self.is_shut(record) else record.state
