"""The verbs of gates, as every engine of this house has them: a gate is made and checked here, and kept elsewhere.

Also how one is told apart in a column, for engines that keep gates in a table.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from forebay.model.gate import OPERATOR, Gate


class Gating(ABC):
    """`store.contract.Gates` but for `gates`, over two verbs of an engine."""

    async def close_gate(
        self,
        queue: str,
        lane: str | None = None,
        reason: str = "",
        holder: str = OPERATOR,
        until: float | None = None,
        *,
        task: str | None = None,
        key: str | None = None,
    ) -> None:
        """See `store.contract.Gates.close_gate`."""
        await self._close_gate(Gate(queue, lane, reason, 0.0, holder, until, task, key).checked())

    async def open_gate(
        self,
        queue: str,
        lane: str | None = None,
        holder: str = OPERATOR,
        *,
        task: str | None = None,
        key: str | None = None,
    ) -> None:
        """See `store.contract.Gates.open_gate`."""
        await self._open_gate(Gate(queue, lane, "", 0.0, holder, None, task, key).checked())

    @abstractmethod
    async def _close_gate(self, gate: Gate) -> None:
        """Keep one that is closed from now on; its `since` is not known yet."""

    @abstractmethod
    async def _open_gate(self, gate: Gate) -> None:
        """Let go of the one that is about the same, of the same holder."""


def what_of(gate: Gate) -> str:
    """What of its queue a gate is about, in a word: "" for all of it, "lane:…", "task:…" or "key:…"."""
    if gate.task is not None:
        return f"task:{gate.task}"
    if gate.key is not None:
        return f"key:{gate.key}"
    return "" if gate.lane is None else f"lane:{gate.lane}"


def gate_of(row: Sequence[Any]) -> Gate:
    """From the columns of such a table: queue, what it is about, reason, since, holder, until."""
    queue, what, reason, since, holder, until = row
    kind, _, name = str(what).partition(":")
    lane, task, key = (name if kind == word else None for word in ("lane", "task", "key"))
    return Gate(queue, lane, reason, since, holder, until, task, key)
