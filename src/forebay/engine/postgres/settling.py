"""Ends: what becomes of messages. The usual batch, all acks, is one call; else `model.ruling` says what is written."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from forebay.engine.postgres import rows
from forebay.engine.postgres.topics import QUEUE
from forebay.engine.postgres.writer import Tx
from forebay.model import lifecycle
from forebay.model.delivery import Delivery
from forebay.model.gate import THROTTLE
from forebay.model.lifecycle import Move, State
from forebay.model.outcome import Ack, Outcome, Park, Settlement
from forebay.model.ruling import Ruling, Standing, rule


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

    @property
    def place(self) -> tuple[str, str]:
        """Where its tallies are."""
        return self.queue, self.lane


class Settling:
    """Carries out outcomes; ends are kept `keep` seconds by default."""

    def __init__(self, keep: float) -> None:
        self.keep = keep

    def settle(self, tx: Tx, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """Whether each was carried out."""
        acks, others = self._parted(settlements)
        done: set[int] = set()
        holds = True
        if acks:
            holds = self._ack(tx, worker, acks, done, alone=not others)
        if others or not acks:
            holds = holds and self._settle_others(tx, worker, others, done)
        verdicts: list[bool] = []
        if tx.again and holds:  # nobody but this worker settles what it holds while it holds it: it did, before
            done.update(one.delivery.receipt for one in (*acks, *others))
        elif tx.again:  # its lease ran out in between; what it ended before that has ended
            done.update(_settled_before(tx, worker, [one.delivery for one in (*acks, *others)]))
        left = {id(one) for one in (*acks, *others) if one.delivery.receipt in done}
        for one in settlements:
            verdicts.append(id(one) in left)
            left.discard(id(one))  # the same settlement, named twice
        return verdicts

    def _parted(self, settlements: Sequence[Settlement]) -> tuple[list[Settlement], list[Settlement]]:
        """Acks and others, by number, each message once: by its newest lease, of which the first settlement counts."""
        chosen: dict[int, Settlement] = {}
        for one in settlements:
            before = chosen.get(one.delivery.receipt)
            if before is None or before.delivery.fence < one.delivery.fence:
                chosen[one.delivery.receipt] = one
        ordered = [chosen[receipt] for receipt in sorted(chosen)] if _mixed(settlements) else list(chosen.values())
        acks = [one for one in ordered if isinstance(one.outcome, Ack)]
        return acks, [one for one in ordered if not isinstance(one.outcome, Ack)]

    def _ack(self, tx: Tx, worker: str, acks: Sequence[Settlement], done: set[int], *, alone: bool) -> bool:
        """Whether the worker holds anything at all."""
        fates = [cast("Ack", one.outcome) for one in acks]
        results = [fate.result for fate in fates] if any(fate.result is not None for fate in fates) else None
        keeps = [fate.keep for fate in fates] if any(fate.keep is not None for fate in fates) else None
        tooks = [max(0.0, one.took) for one in acks] if any(one.took for one in acks) else None
        leases = [one.delivery.receipt for one in acks], [one.delivery.fence for one in acks]
        call = tx.only if alone else tx.rows
        found: list[int] | None = call("ack", worker, *leases, results, keeps, tooks, self.keep, tx.now)[0][0]
        done.update(found or ())
        if found:
            whose = set(found)
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
        self.carry_out(tx, [(stands, one.outcome) for stands, one in chosen])
        for stands, one in chosen:
            tx.count(stands.place, "seconds", max(0.0, one.took))
        done.update(found)
        return True

    def carry_out(self, tx: Tx, outcomes: Sequence[tuple[Stands, Outcome]]) -> list[Ruling]:
        """What becomes of running messages that are locked."""
        shut = _closed(tx, outcomes)
        rulings = [
            rule(
                outcome,
                Standing(stands.asked, stands.lost, stands.newer or "", _is_shut(shut, stands, outcome)),
                tx.time(),
            )
            for stands, outcome in outcomes
        ]
        self.write(tx, [(stands, ruling) for (stands, _), ruling in zip(outcomes, rulings, strict=True)])
        return rulings

    def write(self, tx: Tx, rulings: Sequence[tuple[Stands, Ruling]]) -> None:
        """Write down what was ruled about messages that are locked."""
        ends = [(stands, ruling) for stands, ruling in rulings if ruling.state in lifecycle.FINAL]
        waits = [(stands, ruling) for stands, ruling in rulings if ruling.state not in lifecycle.FINAL]
        if ends:
            self._end(tx, ends)
        if waits:
            _again(tx, waits)

    def _end(self, tx: Tx, ends: Sequence[tuple[Stands, Ruling]]) -> None:
        columns = zip(
            *(
                (one.seq, str(ruling.state), rows.clean(ruling.cause), rows.pack_or_none(ruling.failure), ruling.lost)
                for one, ruling in ends
            ),
            strict=True,
        )
        now = tx.time()
        tx.rows("finish", *map(list, columns), now, now + self.keep)
        for stands, ruling in ends:
            tx.moved(stands.place, str(rows.LIVE_STATES[stands.state]), str(ruling.state))
            if ruling.state is State.DEAD:
                tx.count(stands.place, "died")
            tx.ended.append(stands.id)


def _settled_before(tx: Tx, worker: str, leases: Sequence[Delivery]) -> list[int]:
    """Of these leases, those under which this worker ended their message, by an attempt that nobody heard of."""
    columns = zip(*((one.receipt, one.id, one.fence, one.lost) for one in leases), strict=True)
    return [seq for (seq,) in tx.rows("settled_before", worker, *map(list, columns))]


def _mixed(settlements: Sequence[Settlement]) -> bool:
    receipts = [one.delivery.receipt for one in settlements]
    return receipts != sorted(receipts)


def _again(tx: Tx, waits: Sequence[tuple[Stands, Ruling]]) -> None:
    """Back to waiting: later, in a lane, or at its old place."""
    values: list[tuple[Any, ...]] = []
    for stands, ruling in waits:
        state = State.READY if ruling.state is State.PARKED else ruling.state
        failure, number = rows.pack_or_none(ruling.failure), rows.LIVE_STATES.index(state)
        place = stands.queue, stands.lane if ruling.lane is None else ruling.lane
        cause = rows.clean(ruling.cause) or None
        values.append(
            (stands.seq, number, ruling.due, ruling.refund, ruling.lost, ruling.lane, failure, cause, ruling.known)
        )
        tx.count(stands.place, "running", -1)
        tx.count(place, str(state))
        if ruling.move is Move.RETRY:
            tx.count(place, "retried")
        tx.topics.add(QUEUE + stands.queue)
    tx.rows("again", *map(list, zip(*values, strict=True)), tx.time())


def _closed(tx: Tx, outcomes: Sequence[tuple[Stands, Outcome]]) -> set[tuple[str, str]]:
    """The closed gates of the queues in which something is to be parked."""
    queues = sorted({stands.queue for stands, outcome in outcomes if isinstance(outcome, Park)})
    if not queues:
        return set()
    parked = [(stands.seq, outcome.lane) for stands, outcome in outcomes if isinstance(outcome, Park)]
    now = tx.time()
    for stands, fate in outcomes:
        if isinstance(fate, Park) and fate.until is not None and fate.until > now:
            tx.rows("throttle", stands.queue, fate.lane, THROTTLE, rows.clean(fate.reason), now, fate.until)
    tx.rows("make_lanes", [seq for seq, _ in parked], [lane for _, lane in parked])
    return {(queue, what) for queue, what in tx.rows("shut", queues, now)}


def _is_shut(closed: set[tuple[str, str]], stands: Stands, outcome: Outcome) -> bool:
    return isinstance(outcome, Park) and bool({(stands.queue, ""), (stands.queue, f"lane:{outcome.lane}")} & closed)
