"""Gates: what is closed here yields no lease.

A gate that is opened, or opens by itself, stays in the file until all that is parked behind it is awake: that goes in
steps, with every lease and sweep, so that no transaction is long and a crash in between leaves nobody asleep.
"""

from typing import Any

from forebay.engine.sqlite import rows
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.store.contract import OPERATOR, Gate, only_lanes

#: Stands for every lane in the file; no lane can have this name.
WHOLE = "*"
#: Parked messages that one step wakes.
STEP = 1_000


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
        await self._db.writer.submit(_close, Gate(queue, lane, reason, 0.0, holder, until))

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
        woken = await self._db.writer.submit(_open, queue, lane, holder)
        while woken >= STEP:  # each step is a commit of its own, between which others get their turn
            woken = await self._db.writer.submit(wake)

    async def gates(self) -> list[Gate]:
        """See `store.contract.Gates.gates`."""
        found = self._db.read(sql("gates"), (self._db.clock.now(),))
        return [_gate(row) for row in found]


def _gate(row: tuple[Any, ...]) -> Gate:
    queue, lane, reason, since, holder, until = row
    lane = rows.text(lane)
    return Gate(rows.text(queue), None if lane == WHOLE else lane, rows.text(reason), since, rows.text(holder), until)


def wake(tx: Transaction, limit: int = STEP) -> int:
    """Make ready what is parked behind gates that have opened, and take away those that nobody waits for; how many."""
    left = limit
    for queue, lane, holder in tx.rows("select queue, lane, holder from closed where until <= ?", (tx.now,)):
        seqs = tx.rows(sql("parked"), (queue, lane, tx.now, left))
        tx.db.executemany("update message set state = 1, cause = null where seq = ?", seqs)
        tx.moved(queue, "parked", "ready", len(seqs))
        tx.topics.add(QUEUE + queue)
        left -= len(seqs)
        if left <= 0:
            break
        tx.db.execute("delete from closed where queue = ? and lane = ? and holder = ?", (queue, lane, holder))
    return limit - left


def _close(tx: Transaction, gate: Gate) -> None:
    tx.db.execute("insert into queue (name) values (?) on conflict do nothing", (gate.queue,))
    lane = WHOLE if gate.lane is None else gate.lane
    tx.db.execute(sql("close_gate"), (gate.queue, lane, gate.holder, gate.reason, tx.now, gate.until))


def _open(tx: Transaction, queue: str, lane: str | None, holder: str) -> int:
    """How many it woke at once. Also where none is closed: something may be parked there all the same."""
    values = (queue, WHOLE if lane is None else lane, holder, tx.now)
    tx.db.execute(
        "insert into closed (queue, lane, holder, reason, since, until) values (?, ?, ?, '', ?, 0) "
        "on conflict do update set until = 0",
        values,
    )
    return wake(tx)
