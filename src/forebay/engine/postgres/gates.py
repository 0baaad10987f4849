"""Gates: what is closed here yields no lease. What waits behind one is only seen as parked: nothing is rewritten."""

from forebay.engine.gating import Gating, gate_of, what_of
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.model.gate import Gate


class Gates(Gating):
    """The `Gates` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def _close_gate(self, gate: Gate) -> None:
        await self._db.worker.submit_alone(_close, gate)

    async def _open_gate(self, gate: Gate) -> None:
        await self._db.worker.submit_alone(_open, gate)

    async def gates(self) -> list[Gate]:
        """See `store.contract.Gates.gates`."""
        return sorted([gate_of(row) for row in await self._db.read("gates", self._db.now())], key=Gate.order)


def _close(tx: Tx, one: Gate) -> None:
    tx.only("close_gate", one.queue, what_of(one), one.holder, one.reason, one.until, tx.now)


def _open(tx: Tx, one: Gate) -> None:
    tx.only("open_gate", one.queue, what_of(one), one.holder)
    queues = [(one.queue,)] if one.queue else tx.only("queue_names")
    tx.topics.update(QUEUE + queue for (queue,) in queues)
