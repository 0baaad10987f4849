"""Rows of policies by name, each changed by whoever has seen it as it is."""

from collections.abc import Sequence

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.writer import Transaction
from forebay.store.records import Steered

_ALL = "select cast(name as blob), generation, body from steering"


class SteeringRows:
    """The `Steering` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def steer(self, rows: Sequence[Steered]) -> list[bool]:
        """See `store.contract.Steering.steer`."""
        return await self._db.writer.submit(_steer, rows)

    async def steered(self, names: Sequence[str] | None = None) -> list[Steered]:
        """See `store.contract.Steering.steered`."""
        found = self._db.read(f"{_ALL} order by name")
        told = [Steered(name=rows.text(name), body=body, generation=number) for name, number, body in found]
        return [row for row in told if names is None or row.name in names]


def _steer(tx: Transaction, steered: Sequence[Steered]) -> list[bool]:
    return [_one(tx, row) for row in steered]


def _one(tx: Transaction, row: Steered) -> bool:
    if (tx.value("select generation from steering where name = ?", (row.name,)) or 0) != row.generation:
        return False
    if not row.body:
        tx.db.execute("delete from steering where name = ?", (row.name,))
        return True
    tx.db.execute("insert or replace into steering values (?, ?, ?)", (row.name, row.generation + 1, row.body))
    return True
