"""Rows of policies by name, each changed by whoever has seen it as it is."""

from collections.abc import Sequence
from typing import Any

from forebay.engine.redis import forms
from forebay.engine.redis.connections import Connections
from forebay.engine.redis.talk import Batch, Reading
from forebay.store.records import Steered


class SteeringRows:
    """The `Steering` role of the store."""

    def __init__(self, connections: Connections) -> None:
        self._server = connections

    async def steer(self, rows: Sequence[Steered]) -> list[bool]:
        """See `store.contract.Steering.steer`."""
        return await self._server.talk.carry(_steer, rows) if rows else []

    async def steered(self, names: Sequence[str] | None = None) -> list[Steered]:
        """See `store.contract.Steering.steered`."""
        rows = await self._server.looker.carry(_steered)
        return [row for row in rows if names is None or row.name in names]


def _steer(batch: Batch, rows: Sequence[Steered]) -> Reading[list[bool]]:
    args: list[Any] = [cell for row in rows for cell in (row.name, row.generation, row.body)]
    call = batch.call("steer", *args)
    return lambda: [bool(one) for one in call.answer]


def _steered(batch: Batch) -> Reading[list[Steered]]:
    call = batch.call("steered")

    def read() -> list[Steered]:
        cells = call.answer
        rows = [
            Steered(name=forms.text(cells[at]), generation=int(cells[at + 1]), body=bytes(cells[at + 2]))
            for at in range(0, len(cells), 3)
        ]
        return sorted(rows, key=lambda row: row.name)

    return read
