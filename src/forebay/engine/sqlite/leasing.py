"""Leases: who may run what. Operations of the writer's transaction."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from msgspec.structs import replace

from forebay.engine.contract import Beat, Leased, Recovered, Want
from forebay.engine.sqlite import filling, lanes, limits, rows, slots, stirring, whole
from forebay.engine.sqlite.database import Database
from forebay.engine.sqlite.fair import FairTurn
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.settling import Settling, Stands
from forebay.engine.sqlite.sifting import NOTHING, sifted
from forebay.engine.sqlite.taking import taken
from forebay.engine.sqlite.topics import QUEUE
from forebay.engine.sqlite.writer import Transaction, outlasts
from forebay.engine.turns import MESSAGES
from forebay.flow.grant import slack
from forebay.flow.lane import Split, place
from forebay.flow.portion import line_up, portion, room
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineError, LeaseLost
from forebay.model.lifecycle import Move
from forebay.model.outcome import Lose
from forebay.model.ruling import SILENT

#: Messages that one lease makes ready, or expires, on its way; bounds how long the write lock is held.
SWEEP = 1_000
#: Lanes that share a lease while all have enough; each costs a statement, and the turn comes to the others.
VISITS = 16

#: Queues that bound something which share a lease while they have enough; and of how many it is asked at first whether
#: there is something in them.
TOGETHER, PIECE = 16, 64

#: How a worker is called that a running message does not name.
NOBODY = b"nobody"


class Look(NamedTuple):
    """What there is to do before a lease: the columns of `look.sql`."""

    limited: int
    stop: int
    due: int
    late: int
    room: int
    newest: bytes


#: A queue, a lane of it, and whether something in it comes back (`lanes.sql`).
Place = tuple[str, str, int]
#: Queues that are asked together.
Part = tuple[str, ...]


class _Lot:
    """What one lease takes where queues bound something.

    Args:
        lanes: as many as may still be looked at in queues of many lanes.

    Attributes:
        asked: queues that have been looked at.
    """

    __slots__ = ("asked", "caps", "lanes", "taken", "told", "want")

    def __init__(self, want: Want, caps: dict[str, int], told: Mapping[str, Split], lanes: int) -> None:
        self.want, self.caps, self.told, self.lanes = want, caps, told, lanes
        self.taken: list[Delivery] = []
        self.asked: set[str] = set()

    @property
    def left(self) -> int:
        return self.want.limit - len(self.taken)

    def slow(self, part: Part) -> bool:
        """Whether a look at it costs something for each lane."""
        bound = self.told.get(part[0])
        return bound is not None and bound.by_key


class Leasing:
    """Leases for the workers of one host in one of its boots.

    Attributes:
        slack: of the queues that bound something, by how many seconds lanes of theirs may be late; see `upcoming`.
    """

    def __init__(self, database: Database, settling: Settling) -> None:
        self._boot, self._signal, self._settling = database.boot, database.signal, settling
        self._turn = 0
        self._round = 0  # leases from queues that bound something
        self._first = 0  # where the next one of these begins to look
        self.slack: dict[str, float] = {}
        self._later: dict[str, float] = {}  # when the meter of a queue, which held up a lease, lets more through

    @outlasts  # without `limit` it says what is to stop
    def lease(self, tx: Transaction, want: Want) -> Leased:
        """Up to `want.limit` deliveries, in rotation over the open lanes of the wanted queues."""
        seen = tx.rows(sql("look"), (want.worker, tx.mono, self._boot, tx.now))
        if not seen:
            raise LeaseLost(f"worker {want.worker} has no lease: it never beat, or was declared lost")
        look = Look(*seen[0])
        news = self._signal.version  # under the write lock: whoever commits later is heard of later
        cancelled = [id_ for (id_,) in tx.rows(sql("cancelled"), (want.worker,))] if look.stop else []
        if want.limit <= 0:
            return Leased([], cancelled, news, tx.now)
        tx.check_still()
        if look.due:
            promote(tx)
        if look.late:
            self._settling.expire_overdue(tx, SWEEP)
        want = replace(want, limit=min(want.limit, MESSAGES))
        caps = dict(want.caps)
        taken = self._take_with_limits(tx, want, caps) if look.limited else self._take(tx, want, caps, look.newest)
        if look.room:
            filling.tell(tx, {delivery.queue for delivery in taken})
        if len(taken) == MESSAGES:  # the rest another time: who waits for news has them at once
            tx.topics.update(QUEUE + queue for queue in want.queues)
        return Leased(taken, cancelled, news, tx.now)

    def _take_with_limits(self, tx: Transaction, want: Want, caps: dict[str, int]) -> list[Delivery]:
        """The queues that bound something one by one, all others together, as `flow.portion` divides it."""
        told = limits.limited(tx)
        self.slack |= {
            queue: slack(limits.key_meter("", told[queue], 0, None)) if told[queue].spec.key_rate else 0.0
            for queue in want.queues
            if queue in told
        }
        self._turn, self._round = self._turn + 1, self._round + 1
        names = list(dict.fromkeys(want.queues))
        others = tuple(queue for queue in names if queue not in told)
        lot = _Lot(want, caps, told, room(want.limit, len(names)))
        names = [queue for queue in names if queue in told]
        plain, full = [others] if others else list[Part](), list[Part]()
        for astir in self._astir(tx, names, min(want.limit, TOGETHER)):
            quick, slow = _parts(astir, told)
            full += self._ask(tx, lot, line_up([*quick, *plain], slow, lot.left, self._round))
            plain = []
            if not lot.left:
                self._first = next((names.index(one) for one in astir if one not in lot.asked), self._first)
                break
        more = [part[0] for part in full if lot.slow(part)]
        while lot.left and (hungry := [part for part in full if lot.lanes or not lot.slow(part)]):
            full = self._ask(tx, lot, hungry)
        if not lot.lanes and lot.left:  # what they have more of is had at once, in the next lease
            tx.topics.update(QUEUE + queue for queue in more)
        return lot.taken

    def _ask(self, tx: Transaction, lot: "_Lot", hungry: Sequence[Part]) -> list[Part]:
        """Each of these parts once for its share of what is left; those that may have more."""
        full = list[Part]()
        for asked, part in enumerate(hungry):
            bound = lot.told.get(part[0])
            limit = portion(lot.left, len(hungry) - asked)
            if lot.slow(part):
                limit = min(limit, portion(lot.lanes, sum(map(lot.slow, hungry[asked:]))))
            if limit <= 0:
                full.append(part)
                continue
            lot.asked.update(part)
            some = replace(lot.want, queues=part, limit=limit)
            got = (
                self._take(tx, some, lot.caps)
                if bound is None
                else self._take_limited(tx, some, bound, lot.caps, lot.left)
            )
            lot.taken += got
            lot.lanes -= len(got) if lot.slow(part) else 0
            full += [part] if len(got) == limit else []
        return full

    def _astir(self, tx: Transaction, bounded: Sequence[str], most: int) -> Iterator[list[str]]:
        """Those of the queues that bound something which have to be looked at, so many at a time.

        It begins where the last lease has stopped, and looks no further than it is asked to: a lease costs what it
        takes, whatever is ready.
        """
        start = self._first % len(bounded) if bounded else 0
        line, at, size, together = [*bounded[start:], *bounded[:start]], 0, PIECE, list[str]()
        while at < len(line):
            some = line[at : at + size]
            found = {rows.text(queue) for (queue,) in tx.rows(sql("astir"), (rows.many(some),))}
            for queue in [queue for queue in some if queue not in found]:
                self._later.pop(queue, None)
            for behind, queue in enumerate(some, at + 1):
                together += [queue] if queue in found else []
                if len(together) == most:
                    self._first = start + behind
                    yield together
                    together = []
            at, size = at + size, size * 2
        yield together

    def _take_limited(
        self, tx: Transaction, want: Want, told: Split, caps: dict[str, int], asked: int
    ) -> list[Delivery]:
        (queue,) = want.queues
        if (simply := self._take_whole(tx, want, told, caps)) is not None:
            return simply
        turn = (FairTurn if told.spec.fair else lanes.Turn)(tx, queue, told, caps)
        found = turn.take(want.worker, want.limit, self._turn, asked)
        self._later.pop(queue, None)
        if turn.again is not None:
            self._later[queue] = turn.again
        tx.moved(queue, "ready", "running", len(found))
        return [rows.delivery(row) for row in found] if told.spec.fair else _delivered(found)

    def _take_whole(self, tx: Transaction, want: Want, told: Split, caps: dict[str, int]) -> list[Delivery] | None:
        """From a queue that has one line, and bounds that as a whole; None if it is not so."""
        (queue,) = want.queues
        limit = min(want.limit, caps.get("", want.limit))
        found = (
            whole.take(tx, queue, told, limit, partial(self._take_main, tx, want.worker, queue)) if limit > 0 else None
        )
        if found is None:
            return None
        self._later.pop(queue, None)
        if found.again is not None:
            self._later[queue] = found.again
        if "" in caps:
            caps[""] -= len(found.deliveries)
        return found.deliveries

    def _take_main(self, tx: Transaction, worker: str, queue: str, limit: int, back: bool) -> list[Delivery]:
        return self._take_lane(tx, worker, (queue, "", back), limit, None)

    def later(self, queues: Sequence[str]) -> list[float]:
        """When the meters of these queues, as far as they held up a lease, let more through."""
        return [self._later[queue] for queue in queues if queue in self._later]

    def _take(self, tx: Transaction, want: Want, caps: dict[str, int], newest: bytes | None = None) -> list[Delivery]:
        """First a fair share of each lane, then what is left to whoever has more."""
        found = tx.rows(sql("lanes"), (rows.many(want.queues), tx.now)) if want.queues else []
        found = [place for place in found if caps.get(place[1], 1) > 0]
        if not found:
            return []
        turn = self._turn % len(found)
        hungry = found[turn:] + found[:turn]
        taken: list[Delivery] = []
        while hungry and len(taken) < want.limit:
            share = -(-(want.limit - len(taken)) // min(len(hungry), VISITS))
            still: list[Place] = []
            for where in hungry:
                limit = min(share, want.limit - len(taken), caps.get(where[1], share))
                got = self._take_lane(tx, want.worker, where, limit, newest) if limit else []
                taken += got
                self._turn += bool(limit)
                if where[1] in caps:
                    caps[where[1]] -= len(got)
                if limit and len(got) == limit:
                    still.append(where)
            hungry = still
        return taken

    def _take_lane(
        self, tx: Transaction, worker: str, place: Place, limit: int, newest: bytes | None
    ) -> list[Delivery]:
        queue, lane, back = place
        found = tx.rows(sql("ready_back" if back else "ready"), (tx.now, queue, lane, limit))
        if not found:
            return []
        found = taken(tx, worker, queue, found, newest)
        tx.moved(queue, "ready", "running", len(found))
        if lane:
            stirring.stir(tx, queue, {lane: -len(found)})
        return _delivered(found)

    @outlasts
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

    @outlasts
    def recover(self, tx: Transaction, lost: Sequence[str]) -> Recovered:
        """Bury workers; what they held goes back, or is quarantined, and so does what runs under no living row."""
        gone = {id_ for (id_,) in tx.rows(sql("gone"), (tx.mono, self._boot))}
        known = "select 1 from worker where id = ? and state <> 'buried'"
        named = {id_.encode() for id_ in lost if tx.value(known, (id_,))}
        for worker in gone | named:
            tx.db.execute(sql("bury_worker"), (worker, tx.mono))
        holders = [id_ for (id_,) in tx.rows(sql("strays"))]
        told = limits.limited(tx)
        slots.vacate(tx, tx.rows(sql("free_lost")), told)
        moves: list[tuple[Move, str]] = []
        for worker in holders:
            if worker is not None:
                tx.db.execute(sql("entomb"), (worker, tx.mono, self._boot, tx.now))
            for seq, queue, id_, *stands in tx.rows(sql("running"), (worker,)):
                row = (seq, rows.text(queue))
                ruling = self._settling.carry_out(tx, row, Lose(SILENT), Stands(*stands), told)
                moves.append((ruling.move, rows.text(id_)))
        buried = gone | named | {NOBODY if worker is None else worker for worker in holders}
        return Recovered.of([rows.text(worker) for worker in sorted(buried)], moves)


def _parts(bounded: Sequence[str], told: Mapping[str, Split]) -> tuple[list[Part], list[Part]]:
    """Queues that bound something, each by itself: those without, and with many lanes."""
    quick: list[Part] = [(queue,) for queue in bounded if not told[queue].by_key]
    return quick, [(queue,) for queue in bounded if told[queue].by_key]


def _delivered(found: list[tuple[Any, ...]]) -> list[Delivery]:
    """What a statement returned, which has no order: by acceptance, as it mostly is, then by priority."""
    found.sort()
    if len({row[10] for row in found}) > 1:
        found.sort(key=lambda row: -row[10])
    return [rows.delivery(row) for row in found]


async def ripen(db: Database) -> None:
    """Make due messages ready before somebody looks, so that they are seen so even while nobody leases."""
    due = db.read("select min(due) from message indexed by message_due where state = 0")[0][0]
    if due is not None and due <= db.clock.now():
        with suppress(EngineError):  # a full disk: looking still works
            await sifted(db.writer, NOTHING, promote, 10 * SWEEP)


def promote(tx: Transaction, limit: int = SWEEP) -> None:
    """Make due messages ready, and let go of gates that have opened by themselves."""
    tx.db.execute("delete from closed where until <= ?", (tx.now,))
    found = tx.rows(sql("promote"), (tx.now, limit))
    told = limits.limited(tx) if found else {}
    ready, moved = Counter[tuple[str, str]](), list[tuple[str, str | None, int]]()
    for queue, lane, seq, mine, task, key in found:
        split = told.get(queue)
        there = mine if split is None else place(mine, task, key, split)  # what is told apart may be else by now
        if there != lane:
            moved.append((there, None if there == mine else mine, seq))
        ready[queue, there] += 1
    tx.db.executemany("update message set lane = ?, home = ? where seq = ?", moved)
    for (queue, lane), n in ready.items():
        tx.moved(queue, "scheduled", "ready", n)
        tx.topics.add(QUEUE + queue)
        if lane:
            stirring.stir(tx, queue, {lane: n})
