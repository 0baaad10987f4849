"""Leases: who may run what. Operations of the writer's transaction."""

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from forebay.engine.contract import Beat, Leased, Recovered, Want
from forebay.engine.sqlite import rows, schema
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.ended import without_ended
from forebay.engine.sqlite.gates import wake
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.settling import Settling
from forebay.engine.sqlite.sifting import NOTHING, sifted
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction
from forebay.engine.turns import MESSAGES
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineError, LeaseLost
from forebay.model.lifecycle import Move
from forebay.model.outcome import Lose
from forebay.model.ruling import SILENT

#: Messages that one lease makes ready, or expires, on its way; bounds how long the write lock is held.
SWEEP = 1_000
#: Lanes that share a lease while all have enough; each costs a statement, and the turn comes to the others.
VISITS = 16

#: How a worker is called that a running message does not name.
NOBODY = b"nobody"

#: A queue, a lane of it, and whether something in it comes back (`lanes.sql`).
Place = tuple[str, str, int]


class Leasing:
    """Leases for the workers of one host in one of its boots."""

    def __init__(self, database: Database, settling: Settling) -> None:
        self._boot, self._signal, self._settling = database.boot, database.signal, settling
        self._database = database
        self._turn = 0

    def lease(self, tx: Transaction, want: Want) -> Leased:
        """Up to `want.limit` deliveries, in rotation over the open lanes of the wanted queues."""
        if not tx.value(sql("holds"), (want.worker, tx.mono, self._boot)):
            raise LeaseLost(f"worker {want.worker} has no lease: it never beat, or was declared lost")
        news = self._signal.version  # under the write lock: whoever commits later is heard of later
        cancelled = [id_ for (id_,) in tx.rows(sql("cancelled"), (want.worker,))]
        if want.limit <= 0:
            return Leased([], cancelled, news, tx.now)
        schema.check_still(int(tx.value("pragma user_version")), str(self._database.path))
        promote(tx)
        self._settling.expire_overdue(tx, SWEEP)
        taken = self._take(tx, replace(want, limit=min(want.limit, MESSAGES)))
        if len(taken) == MESSAGES < want.limit:  # the rest another time: who waits for news has them at once
            tx.topics.update(QUEUE + queue for queue in want.queues)
        return Leased(taken, cancelled, news, tx.now)

    def _take(self, tx: Transaction, want: Want) -> list[Delivery]:
        """First a fair share of each lane, then what is left to whoever has more."""
        lanes = tx.rows(sql("lanes"), (rows.many(want.queues), tx.now)) if want.queues else []
        caps = dict(want.caps)
        lanes = [place for place in lanes if caps.get(place[1], 1) > 0]
        if not lanes:
            return []
        turn = self._turn % len(lanes)
        hungry = lanes[turn:] + lanes[:turn]
        taken: list[Delivery] = []
        while hungry and len(taken) < want.limit:
            share = -(-(want.limit - len(taken)) // min(len(hungry), VISITS))
            still: list[Place] = []
            for place in hungry:
                limit = min(share, want.limit - len(taken), caps.get(place[1], share))
                got = _take_lane(tx, want.worker, place, limit) if limit else []
                taken += got
                self._turn += bool(limit)
                if place[1] in caps:
                    caps[place[1]] -= len(got)
                if limit and len(got) == limit:
                    still.append(place)
            hungry = still
        return taken

    def extend(self, tx: Transaction, beats: Sequence[Beat]) -> list[bool]:
        """Renew each row, or register it."""
        return [self._beat(tx, beat) for beat in beats]

    def _beat(self, tx: Transaction, beat: Beat) -> bool:
        until, detail = tx.mono + beat.lease, rows.pack(beat)
        tx.db.execute(sql("beat"), (beat.worker, until, beat.state, detail, beat.pid, tx.mono, self._boot))
        if tx.db.changes():
            return True
        tx.db.execute(
            sql("register"), (beat.worker, until, beat.state, detail, beat.pid, beat.host, self._boot, tx.now)
        )
        return bool(tx.db.changes())

    def recover(self, tx: Transaction, lost: Sequence[str]) -> Recovered:
        """Bury workers; what they held goes back, or is quarantined, and so does what runs under no living row."""
        gone = {id_ for (id_,) in tx.rows(sql("gone"), (tx.mono, self._boot))}
        known = "select 1 from worker where id = ? and state <> 'buried'"
        named = {id_.encode() for id_ in lost if tx.value(known, (id_,))}
        for worker in gone | named:
            tx.db.execute(sql("bury_worker"), (worker, tx.mono))
        holders = [id_ for (id_,) in tx.rows(sql("strays"))]
        returned = quarantined = 0
        for worker in holders:
            if worker is not None:
                tx.db.execute(sql("entomb"), (worker, tx.mono, self._boot, tx.now))
            for seq, queue, *stands in tx.rows(sql("running"), (worker,)):
                ruling = self._settling.carry_out(tx, seq, rows.text(queue), Lose(SILENT), tuple(stands))
                returned += ruling.move is Move.LOSE
                quarantined += ruling.move is Move.QUARANTINE
        buried = gone | named | {NOBODY if worker is None else worker for worker in holders}
        return Recovered([rows.text(worker) for worker in sorted(buried)], returned, quarantined)


def _take_lane(tx: Transaction, worker: str, place: Place, limit: int) -> list[Delivery]:
    queue, lane, back = place
    found = None if back else _take_few(tx, worker, place, limit)
    if found is None:
        found = tx.rows(sql("lease_back" if back else "lease"), (worker, tx.now, queue, lane, limit))
    if not found:
        return []
    found = without_ended(tx, queue, found)
    found.sort()  # RETURNING has no order: by acceptance, which they mostly are,
    if len({row[10] for row in found}) > 1:
        found.sort(key=lambda row: -row[10])  # then by priority
    tx.moved(queue, "ready", "running", len(found))
    return [rows.delivery(row) for row in found]


def _take_few(tx: Transaction, worker: str, place: Place, limit: int) -> list[Any] | None:
    """Lease what there is, one by one; None if it is not few."""
    queue, lane, _ = place
    chosen = tx.rows(sql("choose"), (tx.now, queue, lane, min(limit, rows.FEW + 1)))
    if len(chosen) > rows.FEW:
        return None
    return [row for (seq,) in chosen for row in tx.rows(sql("lease_one"), (worker, tx.now, seq))]


async def ripen(db: Database) -> None:
    """Make due messages ready before somebody looks, so that they are seen so even while nobody leases."""
    due = db.read(sql("next_due"))[0][0]
    if due is not None and due <= db.clock.now():
        with suppress(EngineError):  # a full disk: looking still works
            await sifted(db.writer, NOTHING, promote, 10 * SWEEP)


def promote(tx: Transaction, limit: int = SWEEP) -> None:
    """Make due messages ready, and those behind gates that have opened."""
    wake(tx, limit)
    if not tx.value(sql("due"), (tx.now,)):
        return
    queues = Counter(queue for (queue,) in tx.rows(sql("promote"), (tx.now, limit)))
    for queue, n in queues.items():
        tx.moved(queue, "scheduled", "ready", n)
        tx.topics.add(QUEUE + queue)
