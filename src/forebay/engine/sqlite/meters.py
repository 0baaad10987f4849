"""Meters by name: rates and slots that anybody may put; what passes them is counted here alone."""

from collections.abc import Sequence

from msgspec.structs import replace

from forebay.engine.sqlite import limits, named, rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.stirring import ANY
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.flow.grant import charged
from forebay.flow.lane import key_lane
from forebay.model.meter import Meter


class MeterRows:
    """The `Meters` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def put_meters(self, meters: Sequence[Meter]) -> list[bool]:
        """See `store.contract.Meters.put_meters`."""
        return await self._db.writer.submit(_put, meters)

    async def meters(self, names: Sequence[str] | None = None) -> list[Meter]:
        """See `store.contract.Meters.meters`."""
        if names is None:
            return [named.meter(row) for row in self._db.read(sql("meters"))]
        return [meter for name in sorted(set(names)) if (meter := self._named(name)) is not None]

    def _named(self, name: str) -> Meter | None:
        return named.known(self._db.read, name) or self._of_key(name)

    def _of_key(self, name: str) -> Meter | None:
        """The meter that a queue has for each key, of one key."""
        kind, _, rest = name.partition(":")
        queue, _, key = rest.partition(":")
        told = self._db.read("select limits from queue where name = ? and limits is not null", (queue,))
        if kind != "key" or not told or not (split := limits.split(told[0][0])).keyed:
            return None
        lane = self._db.read("select running, tat from lane where queue = ? and lane = ?", (queue, key_lane(key)))
        running, tat = lane[0] if lane else (0, None)
        return limits.key_meter(name, split, running, tat)

    async def drop_meters(self, names: Sequence[str]) -> None:
        """See `store.contract.Meters.drop_meters`."""
        await self._db.writer.submit(_drop, names)

    async def charge_meter(self, name: str, cost: float, calls: int = 0) -> None:
        """See `store.contract.Meters.charge_meter`."""
        await self._db.writer.submit(_charge, (name, cost, calls))


def _charge(tx: Transaction, told: tuple[str, float, int]) -> None:
    name, cost, calls = told
    for one in (name, *named.beside(tx.rows, name)):
        if (meter := named.known(tx.rows, one)) is not None:
            named.write_down(tx, replace(meter, tat=charged(meter, tx.now, cost, calls)))
    if cost < 0:
        _tell(tx)


def _put(tx: Transaction, meters: Sequence[Meter]) -> list[bool]:
    put = [_put_one(tx, meter) for meter in meters]
    if any(put):
        limits.recount(tx)
        _tell(tx)
    return put


def _put_one(tx: Transaction, meter: Meter) -> bool:
    if (tx.value("select generation from meter where name = ?", (meter.name,)) or 0) != meter.generation:
        return False
    named.put(tx, meter)
    kind, _, rest = meter.name.partition(":")
    queue, _, name = rest.partition(":")
    if kind in ("queue", "task", "key") and queue:
        limits.introduce(tx, queue)
        limits.tell_apart(tx, queue, f"{kind}:{name}" if kind != "queue" else "named:")
    return True


def _drop(tx: Transaction, names: Sequence[str]) -> None:
    names = [one for name in names for one in (name, *named.keys_of(tx, name))]
    tx.db.execute("delete from meter where name in (select cast(value as text) from carray(?))", (rows.many(names),))
    _tell(tx)


def _tell(tx: Transaction) -> None:
    """What waits by what the meters were before is looked at anew, wherever it is."""
    tx.topics.update(QUEUE + queue for queue in limits.queues(tx))
    tx.db.execute("update lane set go = coalesce(turn - 1e10, ?) where go > ? and n > 0", (tx.now + ANY, tx.now))
