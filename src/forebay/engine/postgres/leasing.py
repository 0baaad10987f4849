"""Leases: who may run what, and what becomes of it when a worker is lost."""

import json
import secrets
from collections.abc import Sequence

from forebay.engine.contract import Beat, Leased, Recovered, Want
from forebay.engine.full import room
from forebay.engine.postgres import rows
from forebay.engine.postgres.database import Database
from forebay.engine.postgres.floors import Floors
from forebay.engine.postgres.mark import LOSS, Mark
from forebay.engine.postgres.settling import Settling, Stands
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.engine.turns import MESSAGES
from forebay.model.errors import LeaseLost
from forebay.model.lifecycle import Move
from forebay.model.outcome import Lose
from forebay.model.ruling import EXPIRED, SILENT

#: Workers of which it is remembered what they have told of themselves.
WORKERS = 1_000
#: Who is told as lost where somebody else's row says that a message runs, and under nobody.
NOBODY = "nobody"


class Call:
    """One call of `lease`: a number by which what it took is known, and those before it whose answers were lost.

    Attributes:
        shared: it was not by itself in its transaction. bounded: the wanted queues that bound something.
    """

    __slots__ = ("before", "bounded", "number", "shared")

    def __init__(self) -> None:
        self.number = secrets.randbits(62)
        self.before: list[int] | None = None
        self.shared, self.bounded = False, frozenset[str]()

    @property
    def left_out(self) -> bool:
        """Whether it took nothing from queues that bound something, for others would have waited for its end."""
        return self.shared and bool(self.bounded)


#: Who asks, and for what: what one lease took is for the next of the same kind.
Kind = tuple[str, tuple[str, ...], tuple[str, ...]]


class Leasing:
    """Leases, and the end of workers."""

    def __init__(self, database: Database, settling: Settling) -> None:
        self._db, self._settling = database, settling
        self._turn, self._floors, self._mark = 0, Floors(), Mark(database.address.shown)
        self._lost: dict[Kind, list[int]] = {}
        self._awaited: dict[frozenset[str], tuple[str, ...]] = {}
        self._serving: dict[str, tuple[tuple[str, ...], int]] = {}  # by worker, as the store was told

    def lease(self, tx: Tx, want: Want, call: Call) -> Leased:
        """Up to `want.limit` deliveries, in rotation over the open lanes of the wanted queues.

        What an earlier call took whose answer was lost on its way comes first.
        """
        news = self._db.signal.version  # what is told after this look is news
        limit = min(want.limit, MESSAGES) if want.queues else 0
        if call.before is None and limit > 0:
            call.before = self._lost.pop(_kind(want), [])
        lost = [*(call.before or ()), *([call.number] if tx.again else ())]
        queues = list(dict.fromkeys(want.queues))
        call.shared = not tx.alone
        found = tx.only(
            "lease", want.worker, queues, limit, self._settling.keep,
            json.dumps(dict(want.caps)) if want.caps else None, self._turn, call.number, lost or None, EXPIRED, tx.now,
            json.dumps(self._floors.known(queues)), tx.alone,
        )  # fmt: skip
        if not found:
            raise LeaseLost(f"worker {want.worker} has no lease: it never beat, or was declared lost")
        *taken, meta = found
        now, due, stop = meta[8], meta[9], meta[15]
        if meta[3] is not None:
            call.bounded = frozenset(filter(None, str(meta[3]).split(",")))
            self._learn(queues, call.bounded)
        if limit > 0:
            self._meet(want, meta[11], len(taken) < limit)
            self._db.upcoming(due, now)
        self._turn += meta[6]
        deliveries = [rows.delivery(row) for row in taken]
        if self._db.rooms:
            tx.ended += {room(one.queue) for one in deliveries}
        plain = [one for one in deliveries if one.queue not in call.bounded] if call.bounded else deliveries
        self._floors.saw(plain, meta[0], meta[5])
        return Leased(deliveries, tuple(stop or ()), news, now)

    def _learn(self, queues: Sequence[str], bounded: frozenset[str]) -> None:
        """Which queues bound something, where order is by more than numbers, and ends are waited for."""
        if bounded or not self._settling.bounded.isdisjoint(queues):
            self._settling.bounded = (self._settling.bounded - set(queues)) | bounded
            self._floors.forget(bounded)

    def _meet(self, want: Want, named: str | None, rest: bool) -> None:
        """Which meters stand before the wanted queues; with a rest, they may be what keeps something that is ready."""
        meters = tuple(named.split("|")) if named else ()
        if meters:
            self._settling.named |= dict.fromkeys(want.queues, meters)
        if meters and rest:
            self._awaited[frozenset(want.queues)] = meters
        elif self._awaited:
            self._awaited.pop(frozenset(want.queues), None)

    def awaited(self, queues: Sequence[str]) -> tuple[str, ...]:
        """The meters a slot of which somebody may wait for who has asked for these, and has not got all."""
        return self._awaited.get(frozenset(queues), ()) if self._awaited else ()

    def waits_alone(self, want: Want) -> bool:
        """Whether a lease is better carried out by itself: only so it takes from queues that bound something."""
        return bool(self._settling.bounded) and not self._settling.bounded.isdisjoint(want.queues)

    def unheard(self, want: Want, call: Call) -> None:
        """Nobody knows what this call took; the next one asks."""
        if want.limit > 0:
            self._lost.setdefault(_kind(want), []).extend([*(call.before or ()), call.number])

    def extend(self, tx: Tx, beats: Sequence[Beat]) -> list[bool]:
        """Renew each row, or register it."""
        serving = {beat.worker: (tuple(beat.queues), beat.concurrency) for beat in beats}
        told = all(self._serving.get(worker) == one for worker, one in serving.items())
        run = tx.only if len(beats) == 1 and told else tx.rows
        renewed: dict[int, bool] = {}
        for place, beat in sorted(enumerate(beats), key=lambda item: item[1].worker):  # in one order for all
            values = beat.worker, beat.lease, beat.state, rows.pack(beat), beat.pid, beat.host, tx.now
            answer, table, newest = run("beat", *values)[0]
            renewed[place] = bool(answer)
            if lost := self._mark.see(table, newest):
                tx.rows("note", tx.time(), "forebay", LOSS, "", lost)  # for `doctor`
            if not told:
                tx.rows("serves", beat.worker, list(beat.queues), beat.concurrency)
        self._serving |= serving
        while len(self._serving) > WORKERS:
            del self._serving[next(iter(self._serving))]
        return [renewed[place] for place in range(len(beats))]

    def recover(self, tx: Tx, lost: Sequence[str]) -> Recovered:
        """Bury workers; what they held goes back, or is quarantined, and so does what runs under no living row."""
        now = tx.time()
        gone = {id_ for (id_,) in tx.rows("bury", list(lost), now)}
        found = [id_ for (id_,) in tx.rows("strays")]
        strays = [id_ for id_ in found if id_ is not None]
        freed = {queue for (queue,) in tx.rows("let_go_lost")}
        tx.topics.update(QUEUE + queue for queue in freed)
        moves: list[tuple[Move, str]] = []
        if found:
            tx.rows("entomb", strays, now)
            held = [Stands(*row) for row in tx.rows("running", strays, None in found)]
            rulings = self._settling.carry_out(tx, [(one, Lose(SILENT)) for one in held])
            freed |= {one.queue for one in held}
            moves = [(ruling.move, one.id) for one, ruling in zip(held, rulings, strict=True)]
        self._settling.free(tx, freed)
        nobody = [NOBODY] if None in found else []
        return Recovered.of(sorted({*gone, *strays, *nobody}), moves)


def _kind(want: Want) -> Kind:
    return want.worker, tuple(want.queues), tuple(sorted(want.caps))
