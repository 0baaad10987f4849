"""Meters by name: rates, slots and budgets that anybody may put; what passes them is counted by the memory alone."""

from collections.abc import Sequence

from forebay.engine.memory.state import Memory
from forebay.model.meter import Meter


class MemoryMeters:
    """`Meters` of `forebay.store.contract` over a `Memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def put_meters(self, meters: Sequence[Meter]) -> list[bool]:
        """Add or change those whose generation is that of the one there."""
        with self._memory.verb() as now:
            put = self._memory.bounds.put(meters, now)
            self._memory.tell_apart()
            return put

    async def meters(self, names: Sequence[str] | None = None) -> list[Meter]:
        """Those of these names that there are, or all, by name."""
        with self._memory.verb():
            return self._memory.bounds.find(names, self._memory.queues)

    async def drop_meters(self, names: Sequence[str]) -> None:
        """Remove them."""
        with self._memory.verb():
            self._memory.bounds.drop(names)
            self._memory.tell_apart()

    async def charge_meter(self, name: str, cost: float, calls: int = 0) -> None:
        """What has passed it has cost that much more, or less."""
        with self._memory.verb() as now:
            self._memory.bounds.charge(name, cost, calls, now)
            self._memory.tell_apart()
