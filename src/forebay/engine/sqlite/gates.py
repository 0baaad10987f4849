"""Gates: what is closed here yields no lease. Nothing is written but the gate: what waits behind one is parked only to
whoever looks (`shut`), and goes on when it opens.
"""

from collections.abc import Sequence
from typing import Any

from forebay.engine.gating import Gating, gate_of, what_of
from forebay.engine.sqlite import limits, rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.model.gate import THROTTLE, Gate

#: Whether a row of `message` is behind a closed gate; takes the time.
SHUT = (
    "exists (select 1 from closed where closed.queue in ('', message.queue)"
    " and (closed.until is null or closed.until > ?)"
    " and closed.what in ('', 'task:' || message.task, 'key:' || message.key, 'lane:' || substr("
    "coalesce(message.home, message.lane), 1, instr(coalesce(message.home, message.lane) || '|', '|') - 1)))"
)


class Gates(Gating):
    """The `Gates` role of the store."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def _close_gate(self, gate: Gate) -> None:
        await self._db.writer.submit(close, gate)

    async def _open_gate(self, gate: Gate) -> None:
        await self._db.writer.submit(_open, gate)

    async def gates(self) -> list[Gate]:
        """See `store.contract.Gates.gates`."""
        return all_closed(self._db)


def all_closed(db: Database) -> list[Gate]:
    """Every closed gate."""
    found = [_gate(row) for row in db.read(sql("gates"), (db.clock.now(),))]
    return sorted(found, key=Gate.order)


def closed(tx: Transaction, queue: str) -> Sequence[Gate]:
    """The closed gates that may hold something of a queue."""
    return [_gate(row) for row in tx.rows(sql("gates_of"), (tx.now, queue))]


def close(tx: Transaction, gate: Gate) -> None:
    """Close one; who waits behind one on a task or key does so in a lane of its own from now on."""
    what = what_of(gate)
    queues = [gate.queue] if gate.queue else limits.queues(tx)
    for queue in queues:
        limits.introduce(tx, queue)
    if gate.task is not None or gate.key is not None:
        limits.tell_all_apart(tx, queues, what)
    tx.db.execute(sql("close_gate"), (gate.queue, what, gate.holder, gate.reason, tx.now, gate.until))


def throttle(tx: Transaction, queue: str, lane: str, reason: str, until: float) -> None:
    """Close a lane until a time that somebody was told; an earlier one changes nothing."""
    later = "select 1 from closed where queue = ? and what = ? and holder = ? and until > ?"
    if not tx.value(later, (queue, f"lane:{lane}", THROTTLE, until)):
        close(tx, Gate(queue, lane, reason, 0.0, THROTTLE, until))


def _open(tx: Transaction, gate: Gate) -> None:
    tx.db.execute(
        "delete from closed where queue = ? and what = ? and holder = ?", (gate.queue, what_of(gate), gate.holder)
    )
    queues = [gate.queue] if gate.queue else limits.queues(tx)
    tx.topics.update(QUEUE + queue for queue in queues)


def _gate(row: tuple[Any, ...]) -> Gate:
    queue, what, reason, since, holder, until = row
    return gate_of((rows.text(queue), rows.text(what), rows.text(reason), since, rows.text(holder), until))
