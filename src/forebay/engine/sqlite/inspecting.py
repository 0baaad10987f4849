"""Reading and stopping messages, and the workers that hold them."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.engine.contract import Beat
from forebay.engine.sqlite import limits, named, rows
from forebay.engine.sqlite.choosing import STEP, in_steps, sought
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.leasing import promote, ripen
from forebay.engine.sqlite.looking import FRONT, Sought, look
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.settling import Settling
from forebay.engine.sqlite.shrinking import shrink
from forebay.engine.sqlite.sifting import NOTHING, sifted
from forebay.engine.sqlite.stories import TABLES, read_all
from forebay.engine.sqlite.topics import CANCEL
from forebay.engine.sqlite.writer import Transaction
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import LIVE, Move, State
from forebay.model.ruling import CANCELLED, Ruling
from forebay.store.records import Choice, Found, Query, WorkerRow

#: Buried workers that are remembered, so that one learns of it when it comes back, whatever the date says by then.
BURIED = 10_000

#: What was not asked to stop yet.
_STOPPABLE = "not (state = 2 and cancel = 1)"

_beat = msgspec.msgpack.Decoder(Beat).decode
#: For a worker whose last beat cannot be read: nothing is known of it, and nothing proved.
_UNREADABLE = Beat(worker="", lease=0.0, proved=math.inf)


class Inspecting:
    """The `Inspects` and `Workers` roles of the store."""

    def __init__(self, database: Database, settling: Settling) -> None:
        self._db, self._settling = database, settling

    async def messages(self, query: Query) -> list[Found]:
        """See `store.contract.Inspects.messages`."""
        await ripen(self._db)
        table = _table(query.state)
        what = Sought(table, query.queue, query.task, query.key, query.unique, query.state, now=self._db.clock.now())
        after = self._after(table, query.after)
        found: list[Found] = []
        while after is not None and (left := query.limit - len(found)) > 0:
            seqs = await look(self._db.read, what, after, left)
            read = read_all(self._db, table, seqs)
            found += [one for one in read if query.state in (None, one.state)]  # it may have moved on meanwhile
            after = seqs[-1] if seqs else None
        return found

    def _after(self, table: str, id_: str | None) -> int | None:
        """Where to go on; None if that row is gone: better a short list than the first page again."""
        if id_ is None:
            return FRONT
        found = self._db.read(f"select seq from {table} where id = ?", (id_,))  # noqa: S608 - a table of ours
        return found[0][0] if found else None

    async def latest(self, limit: int) -> list[Found]:
        """See `store.contract.Inspects.latest`."""
        await ripen(self._db)
        live, finished, dead = (self._newest(table, limit) for table in TABLES)
        return live + sorted(finished + dead, key=lambda found: found.finished or 0.0)[-limit:]

    def _newest(self, table: str, limit: int) -> list[Found]:
        seqs = self._db.read(f"select seq from {table} order by seq desc limit ?", (limit,))  # noqa: S608 - a table of ours
        down = self._db.read("select seq from message where seq < 0 order by seq limit ?", (limit,))
        if table != "message" or not down:
            return read_all(self._db, table, [seq for (seq,) in seqs])
        newest = sorted({seq for (seq,) in [*seqs, *down]}, key=abs)[-limit:]
        return sorted(read_all(self._db, table, newest), key=lambda one: one.created or 0.0)

    async def held(self, worker: str) -> list[Delivery]:
        """See `store.contract.Inspects.held`."""
        return [rows.delivery(row) for row in self._db.read(sql("held"), (worker,), check=False)]

    async def ending(self, end: str, limit: int = 10) -> list[str]:
        """See `store.contract.Inspects.ending`."""
        return [rows.text(id_) for (id_,) in self._db.read(sql("ending"), (end, limit))]

    async def ahead(self, id_: str, limit: int = 100_000) -> int:
        """See `store.contract.Inspects.ahead`."""
        await ripen(self._db)
        return int(self._db.read(sql("ahead"), (id_, limit))[0][0])

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """See `store.contract.Inspects.cancel`."""
        states: list[State | None] = []
        for start in range(0, len(ids), STEP):
            states += await self._db.writer.submit(self._cancel, ids[start : start + STEP])
        return states

    def _cancel(self, tx: Transaction, ids: Sequence[str]) -> list[State | None]:
        states: list[State | None] = []
        for id_ in ids:
            seq = tx.value("select seq from message where id = ?", (id_,))
            states.append(_ended_state(tx, id_) if seq is None else self._stop(tx, seq))
        return states

    async def cancel_all(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.Inspects.cancel_all`."""
        return await in_steps(self._db, self._stop_all, sought(choice, "message", _STOPPABLE), limit)

    def _stop_all(self, tx: Transaction, seqs: Sequence[int]) -> int:
        return sum(self._stop(tx, seq) is not None for seq in seqs)

    def _stop(self, tx: Transaction, seq: int) -> State | None:
        """End what waits; ask the worker of what runs. None if it is gone."""
        found = tx.rows("select cast(queue as blob), state, lost, lane from message where seq = ?", (seq,))
        if not found:
            return None
        queue, number, lost, lane = found[0]
        if number == rows.RUNNING:
            tx.db.execute("update message set cancel = 1 where seq = ?", (seq,))
            tx.topics.add(CANCEL)
            return State.RUNNING
        ruling = Ruling(move=Move.CANCEL, state=State.CANCELLED, lost=lost, cause=CANCELLED)
        names: dict[int, str] = dict(enumerate(rows.LIVE_STATES))
        start = names.get(number, "unknown")  # if somebody else wrote it, no tally has it
        self._settling.leave(tx, seq, (rows.text(queue), lane), start, ruling)
        return State.CANCELLED

    async def tidy(self, limit: int = 5000) -> int:
        """See `store.contract.Inspects.tidy`."""
        tidied = await sifted(self._db.writer, NOTHING, self._tidy, limit)
        await shrink(self._db.writer)
        return tidied

    def _tidy(self, tx: Transaction, limit: int) -> int:
        promote(tx)  # so that what is due counts as ready even while nobody leases
        limits.recount_again(tx)
        named.forget_keys(tx)
        expired = self._settling.expire_overdue(tx, limit)
        tx.db.execute(
            "delete from finished where seq in "
            "(select seq from finished indexed by finished_expires where expires <= ? limit ?)",
            (tx.now, limit),
        )
        forgotten = tx.db.changes()
        tx.db.execute(
            "delete from merged where id in (select id from merged indexed by merged_until where until <= ? limit ?)",
            (tx.now, limit),
        )
        forgotten = max(forgotten, tx.db.changes())
        tx.db.execute(sql("forget_buried"), (self._db.boot, BURIED))
        return expired + forgotten

    async def workers(self, host: str | None = None) -> list[WorkerRow]:
        """See `store.contract.Workers.workers`."""
        mono = self._db.clock.monotonic()
        return [_worker(row, mono) for row in self._db.read(sql("workers"), (host,))]


def _table(state: State | None) -> str:
    if state is None or state in LIVE:
        return "message"
    return "dead" if state is State.DEAD else "finished"


def _ended_state(tx: Transaction, id_: str) -> State | None:
    if tx.value("select 1 from dead where id = ?", (id_,)):
        return State.DEAD
    state = tx.value("select state from finished where id = ?", (id_,))
    return State(state) if state else None


def _worker(row: tuple[Any, ...], mono: float) -> WorkerRow:
    id_, host, pid, started, until, state, detail = row
    try:
        beat = _beat(detail)
    except rows.FOREIGN:
        beat = _UNREADABLE
    return WorkerRow(
        worker=rows.text(id_), host=rows.text(host), node=beat.node, pid=pid, born=beat.born, queues=beat.queues,
        concurrency=beat.concurrency, most=beat.most, running=beat.running, done=beat.done, failed=beat.failed,
        proved=math.inf if math.isnan(beat.proved) else beat.proved,
        state=rows.text(state), rss=beat.rss, started=started, left=until - mono,
        lease=beat.lease if math.isfinite(beat.lease) else 0.0,
    )  # fmt: skip
