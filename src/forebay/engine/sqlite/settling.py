"""Ends: what becomes of a message. Operations of the writer's transaction."""

from array import array
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import apsw

from forebay.engine.sqlite import limits, rows, shares, slots, stirring
from forebay.engine.sqlite.gates import throttle
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.topics import ENDED, QUEUE
from forebay.engine.sqlite.writer import Transaction, outlasts
from forebay.flow.lane import Split, parts, place, renamed, rerouted
from forebay.model import lifecycle
from forebay.model.lifecycle import Move, State
from forebay.model.outcome import Ack, Outcome, Park, Settlement
from forebay.model.ruling import EXPIRED, Ruling, Standing, rule

#: Seconds that no run takes; what says so is not counted.
_LONGEST = 1e9


#: One of a queue that tells nothing apart.
_ANY: stirring.Left = "", "", None
#: The queues that bound something.
Told = Mapping[str, Split]


class Stands(NamedTuple):
    """How a running message stands: the columns of `owned.sql`."""

    asked: int
    lost: int
    newer: str | None
    lane: str
    mine: str
    task: str
    key: str | None


class Settling:
    """Carries out outcomes, for the workers of one boot of this host; ends are kept `keep` seconds by default."""

    def __init__(self, boot: str, keep: float) -> None:
        self._boot, self._keep = boot, keep

    @outlasts
    def settle(self, tx: Transaction, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """Whether each was carried out. The usual batch, all acks, goes in two statements."""
        holds = tx.rows(sql("holds"), (worker, tx.mono, self._boot))
        if not holds:
            return [False] * len(settlements)
        tx.topics.add(ENDED)
        if not settlements:
            return []
        told = limits.limited(tx) if holds[0][1] else {}
        if len(settlements) > rows.FEW:
            acks = _plain_acks(settlements)
            if acks and self._ack_all(tx, worker, settlements, acks, told):
                return [True] * len(settlements)
        eased = set[str]()
        done = [self._settle_one(tx, worker, settlement, told, eased) for settlement in settlements]
        for queue in eased:
            stirring.stir_all(tx, queue)
        return done

    def _settle_one(self, tx: Transaction, worker: str, settlement: Settlement, told: Told, eased: set[str]) -> bool:
        """Whether it was carried out. `eased`: queues whose lanes may go earlier by it than was written down."""
        delivery, fate = settlement.delivery, settlement.outcome
        if isinstance(fate, Ack):
            return self._ack_one(tx, worker, settlement, told)
        found = tx.rows(sql("owned"), (delivery.receipt, delivery.fence, delivery.id, worker))
        if not found:
            slots.vacate(tx, tx.rows(sql("free_slot"), (delivery.receipt, delivery.fence, worker)), told)
            return False
        _ran(tx, [settlement])
        stands, bounds = Stands(*found[0]), told.get(delivery.queue)
        if bounds is not None and settlement.unspent:
            given = slots.give_back(tx, delivery, bounds, (stands.lane, stands.mine))
            eased.update(told if given - {delivery.queue} else given)
        self.carry_out(tx, (delivery.receipt, delivery.queue), fate, stands, told, took=settlement.took)
        return True

    def carry_out(
        self, tx: Transaction, row: tuple[int, str], fate: Outcome, stands: Stands, bounds: Told, *, took: float = 0.0
    ) -> Ruling:
        """What becomes of a running message; `row` is its number and its queue, `took` how long it ran."""
        (seq, queue), shut = row, False
        if isinstance(fate, Park):
            if fate.until is not None and fate.until > tx.now:
                throttle(tx, queue, fate.lane, fate.reason, fate.until)
            shut = bool(tx.value(sql("shut"), (queue, fate.lane, tx.now)))
        told = bounds.get(queue)
        if isinstance(fate, Park) and parts(fate.lane).meters and not (told and told.named):
            limits.tell_apart(tx, queue, "named")
            told = limits.of_queue(tx, queue)
        if told is not None:
            kind = stands.task, stands.key
            shares.free(tx, queue, told, {(stands.mine, *kind): 1}, {kind: _some([took])})
        ruling = rule(fate, Standing(bool(stands.asked), stands.lost, stands.newer or "", shut), tx.now)
        if ruling.state is State.DEAD:
            self._bury(tx, seq, queue, ruling)
        elif ruling.queue is not None:
            _reroute(tx, seq, (queue, ruling.queue[0]), ruling, stands)
        elif ruling.state in lifecycle.FINAL:
            self.end(tx, seq, queue, State.RUNNING, ruling)
        else:
            _again(tx, seq, queue, ruling, _home(stands, ruling, told))
        return ruling

    def end(self, tx: Transaction, seq: int, queue: str, start: str, ruling: Ruling) -> None:
        """A live message ends for good, other than by success or as a dead letter."""
        values = (ruling.cause, rows.pack_or_none(ruling.failure), ruling.lost)
        tx.db.execute(sql("finish"), (seq, str(ruling.state), tx.now, tx.now + self._keep, *values))
        tx.db.execute(sql("remove"), (seq,))
        tx.moved(queue, str(start), str(ruling.state))
        tx.topics.add(ENDED)

    def leave(self, tx: Transaction, seq: int, place: tuple[str, str], start: str, ruling: Ruling) -> None:
        """A message that waits in a queue and lane ends for good; the lane has one less, or waited for it."""
        queue, lane = place
        self.end(tx, seq, queue, start, ruling)
        if lane and start == State.READY:
            stirring.stir(tx, queue, {lane: -1})
        elif lane:
            stirring.nudge(tx, queue, lane)

    def _bury(self, tx: Transaction, seq: int, queue: str, ruling: Ruling) -> None:
        tx.db.execute(sql("bury"), (seq, tx.now, ruling.cause, rows.pack_or_none(ruling.failure), ruling.lost))
        tx.db.execute(sql("remove"), (seq,))
        tx.moved(queue, "running", "dead")
        tx.count(queue, "died")
        tx.topics.add(ENDED)

    def expire_overdue(self, tx: Transaction, limit: int) -> int:
        """End waiting messages whose time has passed; how many."""
        found = tx.rows(sql("overdue"), (tx.now, limit))
        for seq, queue, state, lost, lane in found:
            ruling = Ruling(move=Move.EXPIRE, state=State.EXPIRED, lost=lost, cause=EXPIRED)
            self.leave(tx, seq, (queue, lane), rows.live(state), ruling)
        return len(found)

    def _ack_all(
        self, tx: Transaction, worker: str, settlements: Sequence[Settlement], acks: Sequence[Ack], told: Told
    ) -> bool:
        """All of them, or nothing. A batch goes to SQLite as one array, so that it is a few statements at any size."""
        leases = rows.leases([one.delivery for one in settlements])
        if leases is None:
            return False
        left = _left(tx, leases.each, told)
        tx.db.execute("savepoint acks")
        self._remember(tx, settlements, acks, leases)
        if leases.span:
            tx.db.execute(sql("ack_span"), (*leases.span, worker))
        else:
            tx.db.execute(sql("ack"), (apsw.carray(leases.each), worker))
        complete = tx.db.changes() == len(settlements)
        if not complete:
            tx.db.execute("rollback to acks")
        tx.db.execute("release acks")
        if complete:
            for queue, times in _ran(tx, settlements).items():
                tx.moved(queue, "running", "done", len(times))
                if not left and queue in told and told[queue].metered:
                    shares.free(tx, queue, told[queue], {_ANY: len(times)})
            for queue, kinds in left.items():
                shares.free(tx, queue, told[queue], kinds, _times(settlements, queue) if told[queue].spec.fair else {})
        return complete

    def _ack_one(self, tx: Transaction, worker: str, ack: Settlement, bounds: Told) -> bool:
        delivery = ack.delivery
        lease = (delivery.receipt, delivery.fence, delivery.id, worker)
        found = tx.rows(sql("owned"), lease)
        if not found:
            return False
        self._remember_each(tx, [ack])
        tx.db.execute(sql("ack_one"), lease)
        _ran(tx, [ack])
        tx.moved(delivery.queue, "running", "done")
        stands = Stands(*found[0])
        kind = stands.mine, stands.task, stands.key
        if cast("Ack", ack.outcome).holds:
            tx.db.execute(sql("keep_slot"), (delivery.receipt, delivery.fence, worker, delivery.queue, *kind))
        elif (told := bounds.get(delivery.queue)) is not None:
            shares.free(tx, delivery.queue, told, {kind: 1}, {kind[1:]: _some([ack.took])})
        return True

    def _remember(
        self, tx: Transaction, settlements: Sequence[Settlement], acks: Sequence[Ack], leases: rows.Leases
    ) -> None:
        """Keep the ends; those that are kept equally long, as most are, in one statement."""
        keep = acks[0].keep
        if any(ack.keep != keep for ack in acks):
            self._remember_each(tx, settlements)
            return
        seconds = self._keep if keep is None else keep
        if seconds <= 0:
            return
        if any(ack.result is not None for ack in acks):
            each = zip(leases.each, settlements, strict=True)
            results = tuple([_with_result(lease, cast("Ack", one.outcome).result) for lease, one in each])
            tx.db.execute(sql("remember_results"), (apsw.carray(results), tx.now, tx.now + seconds))
        elif leases.span:
            tx.db.execute(sql("remember_span"), (*leases.span, tx.now, tx.now + seconds))
        else:
            tx.db.execute(sql("remember_all"), (apsw.carray(leases.each), tx.now, tx.now + seconds))

    def _remember_each(self, tx: Transaction, acks: Sequence[Settlement]) -> None:
        now, kept = tx.now, list[tuple[Any, ...]]()
        for ack in acks:
            fate = cast("Ack", ack.outcome)
            keep = self._keep if fate.keep is None else fate.keep
            if keep > 0:
                kept.append((ack.delivery.receipt, ack.delivery.fence, now, now + keep, fate.result))
        tx.db.executemany(sql("remember"), kept)


def _plain_acks(settlements: Sequence[Settlement]) -> list[Ack]:
    """The acks that these hold, each once, as those without a result are mostly one; [] if something else is there."""
    fates = list({id(one.outcome): one.outcome for one in settlements}.values())
    acks = [fate for fate in fates if isinstance(fate, Ack) and not fate.holds]
    return acks if len(acks) == len(fates) else []


def _ran(tx: Transaction, settlements: Sequence[Settlement]) -> dict[str, list[float]]:
    """Add to the run time of their queues, kept in microseconds. How long those of each queue ran, in seconds."""
    times = defaultdict[str, list[float]](list)
    for one in settlements:
        times[one.delivery.queue].append(one.took)
    for queue, some in times.items():
        tx.count(queue, "micros", round(sum(_some(some)) * 1e6))
    return times


def _some(times: Sequence[float]) -> list[float]:
    """Run times that are some."""
    return [took for took in times if 0 < took < _LONGEST]


def _times(settlements: Sequence[Settlement], queue: str) -> dict[tuple[str, str | None], list[float]]:
    """Run times of one queue by task and key."""
    times = defaultdict[tuple[str, str | None], list[float]](list)
    for one in settlements:
        if one.delivery.queue == queue:
            times[one.delivery.task, one.delivery.key] += _some([one.took])
    return times


def _with_result(lease: int, result: bytes | None) -> bytes:
    """As `remember_results.sql` takes them apart."""
    return b"%019d0" % lease if result is None else b"%019d1%b" % (lease, result)


def _left(tx: Transaction, leases: "array[int]", told: Told) -> dict[str, dict[stirring.Left, int]]:
    """How many of each kind run under these leases, in queues that bound something; {} where only the queue matters."""
    if not any(split.counted for split in told.values()):
        return {}
    left: dict[str, dict[stirring.Left, int]] = {}
    for queue, mine, task, key, n in tx.rows(sql("left_lanes"), (apsw.carray(leases),)):
        if queue in told:
            left.setdefault(queue, {})[mine, task, key] = n
    return left


def _home(stands: Stands, ruling: Ruling, told: Split | None) -> tuple[str, str | None, int | None]:
    """In which lane one that goes back waits, what it was put into, where that says less, and if others wait for it."""
    mine = stands.mine if ruling.lane is None else renamed(stands.mine, ruling.lane)
    if told is None:
        return mine, None, None
    lane = place(mine, stands.task, stands.key, told)
    first = told.spec.ordered and stands.key is not None
    return lane, None if lane == mine else mine, 1 if first else None


def _reroute(tx: Transaction, seq: int, way: tuple[str, str], ruling: Ruling, stands: Stands) -> None:
    """Into another queue, from one to the other, where it waits."""
    before, queue = way
    mine, headers = rerouted(stands.mine), None if ruling.queue is None else ruling.queue[1]
    limits.introduce(tx, queue)
    tx.db.execute(
        "insert into lane (queue, lane, go) values (?, ?, 0) on conflict do nothing", (queue, parts(mine).lane)
    )
    if parts(mine).meters:
        limits.tell_apart(tx, queue, "named")
    told = limits.of_queue(tx, queue)
    lane = mine if told is None else place(mine, stands.task, stands.key, told)
    values = (
        queue,
        lane,
        None if lane == mine else mine,
        ruling.refund,
        ruling.cause or None,
        rows.pack_or_none(headers),
    )
    tx.db.execute(sql("reroute"), (seq, *values))
    tx.moved(before, "running", "rerouted")
    tx.count(queue, "published")
    tx.count(queue, "ready")
    if lane:
        stirring.stir(tx, queue, {lane: 1})
    tx.topics.update((QUEUE + before, QUEUE + queue))


def _again(tx: Transaction, seq: int, queue: str, ruling: Ruling, where: tuple[str, str | None, int | None]) -> None:
    """Back to waiting: later, in a lane, or at its old place."""
    state, failure = rows.stored(ruling.state), rows.pack_or_none(ruling.failure)
    known = None if ruling.known is None else int(ruling.known)
    lane, home, first = where
    values = (ruling.due, ruling.refund, ruling.lost, lane, failure, ruling.cause or None, known, tx.now, home, first)
    tx.db.execute(sql("again"), (seq, state, *values))
    tx.moved(queue, "running", "ready" if state == rows.READY else "scheduled")
    if lane and state == rows.READY:
        stirring.stir(tx, queue, {lane: 1})
    if ruling.move is Move.RETRY:
        tx.count(queue, "retried")
    tx.topics.add(QUEUE + queue)
