"""Ends: what becomes of messages. The usual batch, all acks, is one call; else `model.ruling` says what is written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from forebay.engine.doubts import Lease, lease
from forebay.engine.postgres import rows
from forebay.engine.postgres.topics import METER, QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.flow.lane import parts, renamed, rerouted
from forebay.model import lifecycle
from forebay.model.delivery import Delivery
from forebay.model.gate import THROTTLE
from forebay.model.lifecycle import Move, State
from forebay.model.outcome import OVER, Ack, Outcome, Park, Settlement
from forebay.model.ruling import Ruling, Standing, rule

#: The largest number of a column.
_MOST = 2**63 - 1


class Stands(NamedTuple):
    """A live message that is locked, from the columns of `owned.sql` and its like."""

    seq: int
    id: str
    queue: str
    lane: str
    state: int
    asked: bool
    lost: int
    newer: str | None
    mine: str
    once: str | None = None
    created: float = 0.0

    def is_later(self, other: "Stands") -> bool:
        """Whether its arguments are newer than those of another with its unique key."""
        return abs(self.seq) > abs(other.seq) or self.created > other.created

    @property
    def place(self) -> tuple[str, str]:
        """Where its tallies are."""
        return self.queue, self.lane

    def put_into(self, lane: str) -> str:
        """What its own lane is if it is put into that one."""
        return renamed(self.mine, lane)


class Settling:
    """Carries out outcomes; ends are kept `keep` seconds by default.

    Attributes:
        bounded: queues in which an end may be what others wait for, as far as leases have told.
        named: by queue, the meters that messages there name, as far as leases have told.
    """

    def __init__(self, keep: float) -> None:
        self.keep = keep
        self.bounded: frozenset[str] = frozenset()
        self.named: dict[str, tuple[str, ...]] = {}

    def settle(
        self, tx: Tx, worker: str, settlements: Sequence[Settlement], doubted: frozenset[Lease] = frozenset()
    ) -> list[bool]:
        """Whether each was carried out; those of `doubted` may have been by an earlier call."""
        acks, others = self._parted(settlements)
        done: set[int] = set()
        holds = True
        if acks:
            holds = self._ack(tx, worker, acks, done, alone=not others)
        if others or not acks:
            holds = holds and self._settle_others(tx, worker, others, done)
        if len(done) < len(settlements):
            _let_go(tx, worker, [one for one in settlements if one.delivery.receipt not in done or _is_over(one)])
        if self.named:
            self.free(tx, {one.delivery.queue for one in settlements})
        verdicts: list[bool] = []
        if again := [one.delivery for one in (*acks, *others) if tx.again or lease(one.delivery) in doubted]:
            # Nobody but this worker settles what it holds while it holds it: it did, before. If its lease ran out in
            # between, what it ended before that has ended.
            done.update([one.receipt for one in again] if holds else _settled_before(tx, worker, again))
        left = {id(one) for one in (*acks, *others) if one.delivery.receipt in done}
        for one in settlements:
            verdicts.append(id(one) in left)
            left.discard(id(one))  # the same settlement, named twice
        return verdicts

    def free(self, tx: Tx, queues: Iterable[str]) -> None:
        """Something has ended in these: who waits elsewhere for a meter that it named may go on."""
        tx.freed.update(METER + name for queue in queues for name in self.named.get(queue, ()))

    def _parted(self, settlements: Sequence[Settlement]) -> tuple[list[Settlement], list[Settlement]]:
        """Acks by number, others as they came; each message once: by its newest lease, its first settlement."""
        chosen: dict[int, Settlement] = {}
        for one in settlements:
            before = chosen.get(one.delivery.receipt)
            if before is None or before.delivery.fence < one.delivery.fence:
                chosen[one.delivery.receipt] = one
        ordered = [chosen[receipt] for receipt in sorted(chosen)] if _mixed(settlements) else list(chosen.values())
        acks = [one for one in ordered if isinstance(one.outcome, Ack)]
        return acks, [one for one in chosen.values() if not isinstance(one.outcome, Ack)]

    def _ack(self, tx: Tx, worker: str, acks: Sequence[Settlement], done: set[int], *, alone: bool) -> bool:
        """Whether the worker holds anything at all."""
        fates = [cast("Ack", one.outcome) for one in acks]
        results = [fate.result for fate in fates] if any(fate.result is not None for fate in fates) else None
        keeps = [fate.keep for fate in fates] if any(fate.keep is not None for fate in fates) else None
        tooks = [max(0.0, one.took) for one in acks] if any(one.took for one in acks) else None
        leases = [one.delivery.receipt for one in acks], [one.delivery.fence for one in acks]
        lasting = any(fate.holds for fate in fates)
        if lasting:
            which = [one.delivery for one, fate in zip(acks, fates, strict=True) if fate.holds]
            tx.rows("last", [one.receipt for one in which], [one.fence for one in which], worker)
        call = tx.only if alone and not lasting else tx.rows
        found: list[int] | None = call("ack", worker, *leases, results, keeps, tooks, self.keep, tx.now)[0][0]
        done.update(found or ())
        if found:
            whose = set(found)
            if self.bounded:
                tx.freed.update(QUEUE + queue for queue in self.bounded & {one.delivery.queue for one in acks})
            tx.ended += [one.delivery.id for one in acks if one.delivery.receipt in whose]
        return found is not None

    def _settle_others(self, tx: Tx, worker: str, others: Sequence[Settlement], done: set[int]) -> bool:
        ((now, holds),) = tx.rows("holds", worker, tx.now)
        tx.now = now
        if not holds or not others:
            return bool(holds)
        leases = [one.delivery.receipt for one in others], [one.delivery.fence for one in others]
        found = {row[0]: Stands(*row) for row in tx.rows("owned", *leases, worker)}
        chosen = [(found[one.delivery.receipt], one) for one in others if one.delivery.receipt in found]
        if unspent := [stands.seq for stands, one in chosen if one.unspent]:
            tx.rows("refund", unspent)
        if bounded := [(stands.seq, max(0.0, one.took)) for stands, one in chosen if stands.queue in self.bounded]:
            tx.rows("ran", *map(list, zip(*bounded, strict=True)))
        self.carry_out(tx, [(stands, one.outcome) for stands, one in chosen])
        for stands, one in chosen:
            tx.count(stands.place, "seconds", max(0.0, one.took))
        done.update(found)
        return True

    def carry_out(self, tx: Tx, outcomes: Sequence[tuple[Stands, Outcome]]) -> list[Ruling]:
        """What becomes of running messages that are locked."""
        shut = _closed(tx, outcomes)
        rulings: list[Ruling] = []
        back: dict[str, Stands] = {}  # those of this call that wait again, by unique key
        for stands, outcome in outcomes:
            newer = stands.newer or _overtaken(stands, back)
            standing = Standing(stands.asked, stands.lost, newer, _is_shut(shut, stands, outcome))
            ruling = rule(outcome, standing, tx.time())
            if stands.once is not None and ruling.state not in lifecycle.FINAL:
                back[stands.once] = stands
            rulings.append(ruling)
        self.write(tx, [(stands, ruling) for (stands, _), ruling in zip(outcomes, rulings, strict=True)])
        return rulings

    def write(self, tx: Tx, rulings: Sequence[tuple[Stands, Ruling]]) -> None:
        """Write down what was ruled about messages that are locked."""
        ends = [(stands, ruling) for stands, ruling in rulings if ruling.state in lifecycle.FINAL]
        waits = [pair for pair in rulings if pair[1].state not in lifecycle.FINAL and pair[1].queue is None]
        if moves := [pair for pair in rulings if pair[1].queue is not None]:
            _reroute(tx, moves)
        if ends:
            self._end(tx, ends)
        if waits:
            _again(tx, waits)

    def _end(self, tx: Tx, ends: Sequence[tuple[Stands, Ruling]]) -> None:
        columns = zip(
            *(
                (one.seq, str(ruling.state), rows.clean(ruling.cause), rows.pack_or_none(ruling.failure), _fits(ruling))
                for one, ruling in ends
            ),
            strict=True,
        )
        now = tx.time()
        tx.rows("finish", *map(list, columns), now, now + self.keep)
        for stands, ruling in ends:
            tx.moved(stands.place, str(rows.live(stands.state)), str(ruling.state))
            if stands.queue in self.bounded or stands.lane != stands.mine:
                tx.topics.add(QUEUE + stands.queue)  # others may have waited for its end
            if ruling.state is State.DEAD:
                tx.count(stands.place, "died")
            tx.ended.append(stands.id)


def _overtaken(stands: Stands, back: Mapping[str, Stands]) -> str:
    """By whom, of those with its unique key that wait again already; "" by nobody."""
    other = back.get(stands.once or "") if stands.once is not None else None
    return other.id if other is not None and other.is_later(stands) else ""


def _settled_before(tx: Tx, worker: str, leases: Sequence[Delivery]) -> list[int]:
    """Of these leases, those under which this worker ended their message, by an attempt that nobody heard of."""
    tx.rows("underway", [one.receipt for one in leases])
    columns = zip(*((one.receipt, one.id, one.fence, one.lost) for one in leases), strict=True)
    return [seq for (seq,) in tx.rows("settled_before", worker, *map(list, columns))]


def _is_over(one: Settlement) -> bool:
    return one.outcome is OVER or one.outcome == OVER


def _let_go(tx: Tx, worker: str, settlements: Sequence[Settlement]) -> None:
    """What is settled once more has ended its run at last (`Ack.holds`): its slots are free."""
    over = [one.delivery for one in settlements if not (isinstance(one.outcome, Ack) and one.outcome.holds)]
    if over:
        found = tx.rows("let_go", [one.receipt for one in over], [one.fence for one in over], worker)
        tx.topics.update(QUEUE + queue for (queue,) in found)


def _fits(ruling: Ruling) -> int:
    """How often it was lost, as a column takes it, whatever somebody had written there."""
    return min(ruling.lost, _MOST)


def _mixed(settlements: Sequence[Settlement]) -> bool:
    receipts = [one.delivery.receipt for one in settlements]
    return receipts != sorted(receipts)


def _reroute(tx: Tx, moves: Sequence[tuple[Stands, Ruling]]) -> None:
    """Into other queues, where they wait."""
    values: list[tuple[Any, ...]] = []
    for stands, ruling in moves:
        assert ruling.queue is not None
        queue, headers = ruling.queue
        cause = rows.clean(ruling.cause) or None
        values.append((stands.seq, queue, rerouted(stands.mine), ruling.refund, cause, rows.pack_or_none(headers)))
        tx.count(stands.place, "running", -1)
        tx.topics.update((QUEUE + stands.queue, QUEUE + queue))
    tx.rows("make_queues", sorted({queue for _, queue, *_ in values}))
    for queue in sorted({queue for _, queue, lane, *_ in values if parts(lane).meters}):
        tx.rows("mind", queue, tx.time())
    for queue, lane, n in tx.rows("reroute", *map(list, zip(*values, strict=True))):
        tx.count((queue, lane), "ready", n)
        tx.count((queue, lane), "published", n)


def _again(tx: Tx, waits: Sequence[tuple[Stands, Ruling]]) -> None:
    """Back to waiting: later, in a lane, or at its old place."""
    values: list[tuple[Any, ...]] = []
    for stands, ruling in waits:
        number = rows.LIVE_STATES.index(State.READY if ruling.state is State.PARKED else ruling.state)
        failure = rows.pack_or_none(ruling.failure)
        lane = None if ruling.lane is None else stands.put_into(ruling.lane)
        cause = rows.clean(ruling.cause) or None
        values.append(
            (stands.seq, number, ruling.due, ruling.refund, _fits(ruling), lane, failure, cause, ruling.known)
        )
        tx.count(stands.place, "running", -1)
        if ruling.move is Move.RETRY:
            tx.count(stands.place, "retried")
        tx.topics.add(QUEUE + stands.queue)
    for queue, place, state, n in tx.rows("again", *map(list, zip(*values, strict=True)), tx.time()):
        tx.count((queue, place), str(rows.live(int(state))), n)


def _closed(tx: Tx, outcomes: Sequence[tuple[Stands, Outcome]]) -> set[tuple[str, str]]:
    """The closed gates of the queues in which something is to be parked."""
    queues = sorted({stands.queue for stands, outcome in outcomes if isinstance(outcome, Park)})
    if not queues:
        return set()
    parked = [(one.seq, one.put_into(fate.lane)) for one, fate in outcomes if isinstance(fate, Park)]
    now = tx.time()
    for stands, fate in outcomes:
        if isinstance(fate, Park) and fate.until is not None and fate.until > now:
            tx.rows("throttle", stands.queue, fate.lane, THROTTLE, rows.clean(fate.reason), now, fate.until)
    for queue in sorted({one.queue for one, fate in outcomes if isinstance(fate, Park) and parts(fate.lane).meters}):
        tx.rows("mind", queue, now)
    tx.rows("make_lanes", [seq for seq, _ in parked], [lane for _, lane in parked])
    return {(queue, what) for queue, what in tx.rows("shut", queues, now)}


def _is_shut(closed: set[tuple[str, str]], stands: Stands, outcome: Outcome) -> bool:
    return isinstance(outcome, Park) and bool({(stands.queue, ""), (stands.queue, f"lane:{outcome.lane}")} & closed)
