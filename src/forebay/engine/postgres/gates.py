"""Gates: what is closed here yields no lease. What waits behind one is only seen as parked: nothing is rewritten."""

from typing import Any

from forebay.engine.postgres.database import Database
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.model.gate import OPERATOR, Gate, only_lanes

_LANE = "lane:"


class Gates:
    """The `Gates` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

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
        only_lanes(task, key)
        await self._db.worker.submit(_close, Gate(queue, lane, reason, 0.0, holder, until))

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
        only_lanes(task, key)
        await self._db.worker.submit(_open, queue, lane, holder)

    async def gates(self) -> list[Gate]:
        """See `store.contract.Gates.gates`."""
        return [_gate(row) for row in await self._db.read("gates", self._db.now())]


def _what(lane: str | None) -> str:
    return "" if lane is None else _LANE + lane


def _gate(row: tuple[Any, ...]) -> Gate:
    queue, what, reason, since, holder, until = row
    return Gate(queue, what.removeprefix(_LANE) if what else None, reason, since, holder, until)


def _close(tx: Tx, gate: Gate) -> None:
    tx.rows("make_queues", [gate.queue])
    tx.rows("close_gate", gate.queue, _what(gate.lane), gate.holder, gate.reason, tx.time(), gate.until)


def _open(tx: Tx, queue: str, lane: str | None, holder: str) -> None:
    tx.rows("open_gate", queue, _what(lane), holder)
    tx.topics.add(QUEUE + queue)
