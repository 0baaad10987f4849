"""Meters by name: rates and slots that anybody may put; how many passed them is counted from what runs (in SQL)."""

from collections.abc import Sequence
from typing import Any

from forebay.engine.postgres.database import Database
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.model.meter import Meter


class Metering:
    """The `Meters` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def put_meters(self, meters: Sequence[Meter]) -> list[bool]:
        """See `store.contract.Meters.put_meters`."""
        return [await self._db.worker.submit_alone(_put, meter) for meter in meters]

    async def meters(self, names: Sequence[str] | None = None) -> list[Meter]:
        """See `store.contract.Meters.meters`."""
        found = await self._db.read("meters", None if names is None else sorted(set(names)), self._db.now())
        told = [meter(row) for row in found]
        return sorted([one for one in told if names is None or one.name in names], key=lambda one: one.name)

    async def drop_meters(self, names: Sequence[str]) -> None:
        """See `store.contract.Meters.drop_meters`."""
        for name in names:
            await self._db.worker.submit_alone(_drop, name)

    async def charge_meter(self, name: str, cost: float, calls: int = 0) -> None:
        """See `Meters.charge_meter`."""
        await self._db.worker.submit_alone(_charge, (name, cost, calls))


def _charge(tx: Tx, told: tuple[str, float, int]) -> None:
    tx.only("charge_meter", *told, tx.now)
    if told[1] < 0:
        _tell(tx)


def meter(row: Sequence[Any]) -> Meter:
    """From the columns of `meters.sql`."""
    name, rate, burst, slots, generation, running, tat = row
    return Meter(name=name, rate=rate, burst=burst, slots=slots, generation=generation, running=running, tat=tat)


def _put(tx: Tx, one: Meter) -> bool:
    values = one.rate, one.burst, one.slots, one.generation
    put = bool(tx.only("put_meter", one.name, *values, tx.now)[0][0])
    _tell(tx)
    return put or tx.again


def _drop(tx: Tx, name: str) -> None:
    tx.only("drop_meter", name)
    _tell(tx)


def _tell(tx: Tx) -> None:
    """Whoever waits for any queue looks again."""
    tx.topics.update(QUEUE + queue for (queue,) in tx.only("queue_names"))
