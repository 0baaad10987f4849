"""Reading and stopping messages, and the workers that hold them."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from forebay.engine.contract import Beat
from forebay.engine.sqlite import results, rows
from forebay.engine.sqlite.choosing import STEP, Source, chosen, in_steps
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.leasing import promote, ripen
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.settling import Settling
from forebay.engine.sqlite.shrinking import shrink
from forebay.engine.sqlite.sifting import NOTHING, sifted
from forebay.engine.sqlite.topics import CANCEL
from forebay.engine.sqlite.writer import Transaction
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import LIVE, Move, State
from forebay.model.ruling import CANCELLED, Ruling
from forebay.store.contract import Choice, Found, Query, WorkerRow

#: Seconds that a buried worker is remembered, so that it learns of it when it comes back.
TOMBSTONE = 3600.0

#: What was not asked to stop yet.
_STOPPABLE = Source("message", "seq, queue, state, lost", "not (state = 2 and cancel = 1)")

_beat = msgspec.msgpack.Decoder(Beat).decode
#: The partial index that serves a listing by state, so that a listing never walks the whole table.
_INDEX = {State.SCHEDULED: "message_due", State.READY: "message_ready", State.RUNNING: "message_running"}


class Inspecting:
    """The `Inspects` and `Workers` roles of the store."""

    def __init__(self, database: Database, settling: Settling) -> None:
        self._db, self._settling = database, settling

    async def messages(self, query: Query) -> list[Found]:
        """See `store.contract.Inspects.messages`."""
        await ripen(self._db)
        if query.state is State.DEAD:
            return self._list("dead", "find_dead", results.dead, query)
        if query.state is None or query.state in LIVE:
            return self._list("message", "find_live", results.live, query)
        return self._list("finished", "find_finished", results.ended, query)

    def _list(self, table: str, statement: str, reader: Any, query: Query) -> list[Found]:
        where: list[str] = ["1"]
        values: list[Any] = []
        asked = (("queue", query.queue), ("task", query.task), ("key", query.key), ("uniq", query.unique))
        for column, value in asked:
            if value is not None:
                where.append(f"{column} = ?")
                values.append(value)
        hint = ""
        if table == "message" and query.state is not None:
            number = rows.LIVE_STATES.index(query.state)
            where.append(f"state = {number}")
            hint = f"indexed by {_INDEX[query.state]}" if query.state in _INDEX else ""
        elif table == "finished":
            where.append("state = ?")
            values.append(str(query.state))
        if query.after is not None:
            where.append(f"seq > (select seq from {table} where id = ?)")  # noqa: S608 - a table of ours
            values.append(query.after)
        columns = sql(statement).split("where id = ?1")[0].replace(f"from {table}", f"from {table} {hint}")
        text = f"{columns} where {' and '.join(where)} order by seq limit ?"
        return [reader(row) for row in self._db.read(text, (*values, query.limit))]

    async def latest(self, limit: int) -> list[Found]:
        """See `store.contract.Inspects.latest`."""
        await ripen(self._db)
        live = self._newest("find_live", results.live, limit)
        ends = self._newest("find_finished", results.ended, limit) + self._newest("find_dead", results.dead, limit)
        return live + sorted(ends, key=lambda found: found.finished or 0.0)[-limit:]

    def _newest(self, statement: str, reader: Callable[[tuple[Any, ...]], Found], limit: int) -> list[Found]:
        text = sql(statement).split("where id = ?1")[0] + "order by seq desc limit ?"
        return [reader(row) for row in reversed(self._db.read(text, (limit,)))]

    async def held(self, worker: str) -> list[Delivery]:
        """See `store.contract.Inspects.held`."""
        return [rows.delivery(row) for row in self._db.read(sql("held"), (worker,))]

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """See `store.contract.Inspects.cancel`."""
        states: list[State | None] = []
        for start in range(0, len(ids), STEP):
            states += await self._db.writer.submit(self._cancel, ids[start : start + STEP])
        return states

    def _cancel(self, tx: Transaction, ids: Sequence[str]) -> list[State | None]:
        states: list[State | None] = []
        for id_ in ids:
            found = tx.rows("select seq, queue, state, lost from message where id = ?", (id_,))
            states.append(self._stop(tx, *found[0]) if found else _ended_state(tx, id_))
        return states

    async def cancel_all(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.Inspects.cancel_all`."""
        return await in_steps(self._db.writer, self._cancel_chosen, choice, limit)

    def _cancel_chosen(self, tx: Transaction, choice: Choice, limit: int) -> tuple[int, int]:
        found = chosen(tx, _STOPPABLE, choice, limit)
        for row in found:
            self._stop(tx, *row)
        return len(found), len(found)

    def _stop(self, tx: Transaction, seq: int, queue: str, number: int, lost: int) -> State:
        """End what waits; ask the worker of what runs."""
        if number == rows.RUNNING:
            tx.db.execute("update message set cancel = 1 where seq = ?", (seq,))
            tx.topics.add(CANCEL)
            return State.RUNNING
        ruling = Ruling(move=Move.CANCEL, state=State.CANCELLED, lost=lost, cause=CANCELLED)
        self._settling.end(tx, seq, queue, rows.live(number), ruling)
        return State.CANCELLED

    async def tidy(self, limit: int = 5000) -> int:
        """See `store.contract.Inspects.tidy`."""
        tidied = await sifted(self._db.writer, NOTHING, self._tidy, limit)
        await shrink(self._db.writer)
        return tidied

    def _tidy(self, tx: Transaction, limit: int) -> int:
        promote(tx)  # so that what is due counts as ready even while nobody leases
        expired = self._settling.expire_overdue(tx, limit)
        tx.db.execute(
            "delete from finished where seq in "
            "(select seq from finished indexed by finished_expires where expires <= ? limit ?)",
            (tx.now, limit),
        )
        forgotten = tx.db.changes()
        tx.db.execute("delete from worker where state = 'buried' and started < ?", (tx.now - TOMBSTONE,))
        return expired + forgotten

    async def workers(self) -> list[WorkerRow]:
        """See `store.contract.Workers.workers`."""
        mono = self._db.clock.monotonic()
        return [_worker(row, mono) for row in self._db.read(sql("workers"))]


def _ended_state(tx: Transaction, id_: str) -> State | None:
    if tx.value("select 1 from dead where id = ?", (id_,)):
        return State.DEAD
    state = tx.value("select state from finished where id = ?", (id_,))
    return State(state) if state else None


def _worker(row: tuple[Any, ...], mono: float) -> WorkerRow:
    id_, host, pid, started, until, state, detail = row
    beat = _beat(detail)
    return WorkerRow(
        worker=id_, host=host, node=beat.node, pid=pid, queues=beat.queues, concurrency=beat.concurrency,
        running=beat.running, done=beat.done, failed=beat.failed, proved=beat.proved, state=state, rss=beat.rss,
        started=started, left=until - mono,
    )  # fmt: skip
