"""Rows of policies by name, each changed by whoever has seen it as it is."""

from collections.abc import Sequence

from forebay.engine.postgres.database import Database
from forebay.engine.postgres.writer import Tx
from forebay.store.records import Steered


class SteeringRows:
    """The `Steering` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def steer(self, rows: Sequence[Steered]) -> list[bool]:
        """See `store.contract.Steering.steer`."""
        return [await self._db.worker.submit_alone(_steer, row) for row in rows]

    async def steered(self, names: Sequence[str] | None = None) -> list[Steered]:
        """See `store.contract.Steering.steered`."""
        found = await self._db.read("steered", None if names is None else sorted(set(names)))
        rows = [Steered(name=name, body=bytes(body), generation=number) for name, number, body in found]
        return sorted(rows, key=lambda row: row.name)


def _steer(tx: Tx, row: Steered) -> bool:
    if not row.body:
        return bool(tx.only("steer_off", row.name, row.generation)) or tx.again
    if not row.generation:
        return bool(tx.only("steer_new", row.name, row.body)) or tx.again
    return bool(tx.only("steer", row.name, row.generation, row.body)) or tx.again
