"""Gates: what is closed here yields no lease, and no row is rewritten for it."""

from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.settling import unparked
from forebay.engine.sqlite.writer import Transaction
from forebay.store.contract import Gate

#: Stands for every lane in the file; no lane can have this name.
WHOLE = "*"


class Gates:
    """The `Gates` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def close_gate(self, queue: str, lane: str | None = None, reason: str = "") -> None:
        """See `store.contract.Gates.close_gate`."""
        await self._db.writer.submit(_close, queue, lane, reason)

    async def open_gate(self, queue: str, lane: str | None = None) -> None:
        """See `store.contract.Gates.open_gate`."""
        await self._db.writer.submit(_open, queue, lane)

    async def gates(self) -> list[Gate]:
        """See `store.contract.Gates.gates`."""
        found = self._db.read("select queue, lane, reason, since from gate order by queue, lane <> '*', lane")
        return [Gate(queue, None if lane == WHOLE else lane, reason, since) for queue, lane, reason, since in found]


def _close(tx: Transaction, queue: str, lane: str | None, reason: str) -> None:
    tx.db.execute("insert into queue (name) values (?) on conflict do nothing", (queue,))
    tx.db.execute(
        "insert into gate (queue, lane, reason, since) values (?, ?, ?, ?) "
        "on conflict do update set reason = excluded.reason",
        (queue, WHOLE if lane is None else lane, reason, tx.now),
    )


def _open(tx: Transaction, queue: str, lane: str | None) -> None:
    tx.db.execute("delete from gate where queue = ? and lane = ?", (queue, WHOLE if lane is None else lane))
    unparked(tx, queue, lane)
