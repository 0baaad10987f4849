"""Reading and stopping messages, and the workers that hold them."""

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from forebay.engine.contract import Beat
from forebay.engine.postgres import rows
from forebay.engine.postgres.choosing import STEP, in_steps
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.looking import ENDED_COLUMNS, FRONT, LIVE_COLUMNS, TIME, chosen, listing, possible, queried
from forebay.engine.postgres.settling import Settling, Stands
from forebay.engine.postgres.sifting import sifted
from forebay.engine.postgres.topics import CANCEL, QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.model.delivery import Delivery
from forebay.model.lifecycle import Move, State
from forebay.model.ruling import CANCELLED, EXPIRED, Ruling
from forebay.store.records import Choice, Found, Query, WorkerRow

#: Buried workers that are remembered, so that one learns of it when it comes back.
BURIED = 10_000
#: Due messages that one sweep makes ready.
SWEEP = 10_000
#: What was not asked to stop yet.
_STOPPABLE = "not (m.state = 2 and m.cancel)"

_beat = msgspec.msgpack.Decoder(Beat).decode
#: For a worker whose last beat cannot be read: nothing is known of it, and nothing proved.
_UNREADABLE = Beat(worker="", lease=0.0, proved=math.inf)


class Inspecting:
    """The `Inspects` and `Workers` roles of the store."""

    def __init__(self, database: Database, settling: Settling) -> None:
        self._db, self._settling = database, settling

    async def messages(self, query: Query) -> list[Found]:
        """See `store.contract.Inspects.messages`."""
        await ripen(self._db, self._settling)
        sought = queried(query)
        after = await self._after(sought.table, sought.number, query.after)
        if after is None or query.limit <= 0 or not possible(sought):
            return []
        text, values = listing(sought, self._db.now(), after, query.limit)
        return [rows.story(row) for row in await self._db.read_text(self._db.address.sql(text), values)]

    async def _after(self, table: str, number: str, id_: str | None) -> int | None:
        """Where to go on; None if that row is gone: better a short list than the first page again."""
        if id_ is None:
            return FRONT
        text = self._db.address.sql(f"select {number} from {table} where id = $1")  # noqa: S608 - a table of ours
        found = await self._db.read_text(text, (id_,))
        return int(found[0][0]) if found else None

    async def latest(self, limit: int) -> list[Found]:
        """See `store.contract.Inspects.latest`."""
        await ripen(self._db, self._settling)
        live = (
            f"select {LIVE_COLUMNS} from forebay.message m, {TIME} where m.seq in ("  # noqa: S608 - words of ours
            "(select seq from forebay.message order by seq desc limit $2) union all "
            "(select seq from forebay.message where seq < 0 order by seq limit $2)) order by abs(m.seq) desc limit $2"
        )
        ended = f"select {ENDED_COLUMNS} from forebay.ended m, {TIME} order by m.n desc limit $2"  # noqa: S608
        found: list[Found] = []
        for text in (live, ended):
            newest = await self._db.read_text(self._db.address.sql(text), (self._db.now(), limit))
            found += [rows.story(row) for row in reversed(newest)]
        return found

    async def held(self, worker: str) -> list[Delivery]:
        """See `store.contract.Inspects.held`."""
        return [rows.delivery(row) for row in await self._db.read("held", worker)]

    async def ending(self, end: str, limit: int = 10) -> list[str]:
        """See `store.contract.Inspects.ending`."""
        return [id_ for (id_,) in await self._db.read("ending", end, limit)]

    async def ahead(self, id_: str, limit: int = 100_000) -> int:
        """See `store.contract.Inspects.ahead`."""
        await ripen(self._db, self._settling)
        found = await self._db.read("ahead", id_, limit, self._db.now())
        return min(limit, int(found[0][0])) if found else 0

    async def cancel(self, ids: Sequence[str]) -> list[State | None]:
        """See `store.contract.Inspects.cancel`."""
        states: list[State | None] = []
        for start in range(0, len(ids), STEP):
            states += await self._db.worker.submit(self._cancel, list(ids[start : start + STEP]))
        return states

    def _cancel(self, tx: Tx, ids: Sequence[str]) -> list[State | None]:
        locked = {
            row[1]: Stands(*row) for row in tx.rows("cancel_lock", ids)
        }  # in the one order that locks are taken in
        states: dict[str, State] = self._stop(tx, [locked[id_] for id_ in dict.fromkeys(ids) if id_ in locked])
        rest = [id_ for id_ in ids if id_ not in states]
        if rest:  # in a look that comes after: what was on its way from one table to the other is there now
            states |= {id_: rows.final(state) for id_, state in tx.rows("ended_states", rest)}
        return [states.get(id_) for id_ in ids]

    async def cancel_all(self, choice: Choice, limit: int = 1000) -> int:
        """See `store.contract.Inspects.cancel_all`."""
        await ripen(self._db, self._settling)
        return await in_steps(self._db, self._stop_all, chosen(choice, ended=False, also=_STOPPABLE), limit)

    def _stop_all(self, tx: Tx, numbers: Sequence[int]) -> int:
        found = [Stands(*row) for row in tx.rows("cancel_numbers", numbers)]
        return len(self._stop(tx, [one for one in found if not one.asked]))

    def _stop(self, tx: Tx, found: Sequence[Stands]) -> dict[str, State]:
        """End what waits; ask the workers of what runs."""
        running = [one for one in found if one.state == rows.RUNNING]
        if running:
            tx.rows("ask", [one.seq for one in running])
            tx.topics.add(CANCEL)
        ruled = [
            (one, Ruling(move=Move.CANCEL, state=State.CANCELLED, lost=one.lost, cause=CANCELLED))
            for one in found
            if one.state != rows.RUNNING
        ]
        self._settling.write(tx, ruled)
        states = dict.fromkeys((one.id for one in running), State.RUNNING)
        return states | dict.fromkeys((one.id for one, _ in ruled), State.CANCELLED)

    async def tidy(self, limit: int = 5000) -> int:
        """See `store.contract.Inspects.tidy`."""
        await self._db.worker.submit(fold)
        return await sifted(self._db.worker, lambda writer: writer.submit(self._tidy, limit))

    def _tidy(self, tx: Tx, limit: int) -> int:
        now = tx.time()
        expired = int(tx.rows("ripen", limit, self._settling.keep, EXPIRED, now)[0][0])
        forgotten = int(tx.rows("forget", now, limit)[0][0])
        forgotten = max(forgotten, int(tx.rows("forget_merged", now, limit)[0][0]))
        tx.rows("forget_buried", BURIED)
        tx.topics.update(QUEUE + queue for (queue,) in tx.rows("open_gates", now))
        self._db.worker.tell(_unbind)
        return expired + forgotten

    async def workers(self, host: str | None = None) -> list[WorkerRow]:
        """See `store.contract.Workers.workers`."""
        return [_worker(row) for row in await self._db.read("workers", host, self._db.now())]


def _unbind(tx: Tx) -> None:
    tx.only("unbind", tx.now)
    tx.only("forget_keys", tx.now)


def fold(tx: Tx) -> None:
    """Add up what has moved, unless somebody else is at it."""
    tx.rows("fold", 0)
    tx.rows("fold_lanes", 0)


async def ripen(db: Database, settling: Settling) -> None:
    """Make due messages ready before somebody looks, so that they are seen so even while nobody leases."""
    if (await db.read("overdue", db.now()))[0][0]:
        await sifted(db.worker, lambda writer: writer.submit(_ripen, settling.keep))


def _ripen(tx: Tx, keep: float) -> None:
    tx.only("ripen", SWEEP, keep, EXPIRED, tx.now)


def _worker(row: tuple[Any, ...]) -> WorkerRow:
    id_, host, pid, started, left, state, detail = row
    try:
        beat = _beat(detail)
    except rows.FOREIGN:
        beat = _UNREADABLE
    return WorkerRow(
        worker=id_, host=host, node=beat.node, pid=pid, born=beat.born, queues=beat.queues,
        concurrency=beat.concurrency, most=beat.most, running=beat.running, done=beat.done, failed=beat.failed,
        proved=math.inf if math.isnan(beat.proved) else beat.proved, state=state, rss=beat.rss, started=started,
        left=left, lease=beat.lease if math.isfinite(beat.lease) else 0.0,
    )  # fmt: skip
