"""Ends: what becomes of a message. Operations of the writer's transaction."""

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import cast

import apsw

from forebay.engine.contract import QUARANTINE_AFTER
from forebay.engine.sqlite import rows
from forebay.engine.sqlite.publishing import QUEUE
from forebay.engine.sqlite.rows import sql
from forebay.engine.sqlite.writer import Transaction
from forebay.model import lifecycle, outcome
from forebay.model.lifecycle import State
from forebay.model.message import Failure
from forebay.model.outcome import Ack, Settlement

#: The topic that tells waiting callers of an end.
ENDED = "ended"


class Settling:
    """Carries out outcomes, for the workers of one boot of this host."""

    def __init__(self, boot: str, keep: float) -> None:
        self._boot, self._keep = boot, keep

    def settle(self, tx: Transaction, worker: str, settlements: Sequence[Settlement]) -> list[bool]:
        """Whether each was carried out. The usual batch, all acks, goes in two statements."""
        if not tx.value(sql("holds"), (worker, tx.mono, self._boot)):
            return [False] * len(settlements)
        tx.topics.add(ENDED)
        if not settlements:
            return []
        if all(isinstance(one.outcome, Ack) for one in settlements) and _ack_all(tx, worker, settlements):
            return [True] * len(settlements)
        return [self._settle_one(tx, worker, settlement) for settlement in settlements]

    def _settle_one(self, tx: Transaction, worker: str, settlement: Settlement) -> bool:
        delivery, fate = settlement.delivery, settlement.outcome
        if isinstance(fate, Ack):
            return _ack_one(tx, worker, settlement)
        cancel = tx.value(sql("owned"), (delivery.receipt, delivery.fence, delivery.id, worker))
        if cancel is None:
            return False
        state = lifecycle.move(State.RUNNING, fate.move)
        if cancel and state not in lifecycle.FINAL:
            state, fate = State.CANCELLED, outcome.Cancel()  # it would run again, but somebody asked it not to
        match fate:
            case outcome.DeadLetter(cause, failure):
                self.bury(tx, delivery.receipt, delivery.queue, cause, failure)
            case outcome.Cancel(reason) | outcome.Discard(reason):
                self.end(tx, delivery.receipt, delivery.queue, "running", state, cause=reason)
            case outcome.Expire():
                self.end(tx, delivery.receipt, delivery.queue, "running", state, cause="too late to start")
            case outcome.Lose(cause):
                self.lose(tx, delivery.receipt, delivery.queue, cause)
            case _:
                _again(tx, settlement, state)
        return True

    def end(self, tx: Transaction, seq: int, queue: str, start: str, state: str, *, cause: str = "") -> None:
        """A live message ends for good, other than by success or as a dead letter."""
        tx.db.execute(sql("finish"), (seq, str(state), tx.now, tx.now + self._keep, cause, None))
        tx.db.execute(sql("remove"), (seq,))
        tx.count(queue, start, -1)
        tx.count(queue, str(state))
        tx.topics.add(ENDED)

    def bury(self, tx: Transaction, seq: int, queue: str, cause: str, failure: Failure | None = None) -> None:
        """A running message becomes a dead letter."""
        tx.db.execute(sql("bury"), (seq, tx.now, cause, rows.pack_or_none(failure)))
        tx.db.execute(sql("remove"), (seq,))
        tx.moved(queue, "running", "dead")
        tx.count(queue, "died")
        tx.topics.add(ENDED)

    def lose(self, tx: Transaction, seq: int, queue: str, cause: str) -> bool:
        """A running message lost its worker: back to ready, or quarantined. Whether it went back."""
        losses = tx.value("update message set lost = min(lost, 1000000) + 1 where seq = ? returning lost", (seq,))
        if losses >= QUARANTINE_AFTER:
            self.bury(tx, seq, queue, f"lost {losses} workers; the last one: {cause}")
            return False
        tx.db.execute(sql("lose"), (seq,))
        tx.moved(queue, "running", "ready")
        tx.topics.add(QUEUE + queue)
        return True

    def expire_overdue(self, tx: Transaction, limit: int) -> int:
        """End waiting messages whose time has passed; how many."""
        found = tx.rows(sql("overdue"), (tx.now, limit))
        for seq, queue, state in found:
            self.end(tx, seq, queue, rows.live(state), State.EXPIRED, cause="waited past its time")
        return len(found)


def _ack_all(tx: Transaction, worker: str, acks: Sequence[Settlement]) -> bool:
    """All of them, or nothing. A batch goes to SQLite as one array, so that it is a few statements at any size."""
    deliveries = [ack.delivery for ack in acks]
    leases = rows.leases(deliveries)
    if leases is None:
        return False
    tx.db.execute("savepoint acks")
    _remember(tx, acks, leases)
    tx.db.execute(sql("ack"), (apsw.carray(leases), worker))
    complete = tx.db.changes() == len(acks)
    if not complete:
        tx.db.execute("rollback to acks")
    tx.db.execute("release acks")
    if complete:
        for queue, n in Counter(delivery.queue for delivery in deliveries).items():
            tx.moved(queue, "running", "done", n)
    return complete


def _ack_one(tx: Transaction, worker: str, ack: Settlement) -> bool:
    delivery, fate = ack.delivery, cast("Ack", ack.outcome)
    tx.db.execute(sql("ack_one"), (delivery.receipt, delivery.fence, delivery.id, worker))
    if not tx.db.changes():
        return False
    if fate.keep > 0:
        tx.db.execute(sql("remember"), _memory(ack, tx.now))
    tx.moved(delivery.queue, "running", "done")
    return True


def _remember(tx: Transaction, acks: Sequence[Settlement], leases: "array[int]") -> None:
    """Keep the ends. Those without a result and kept equally long, as most are, come from the messages themselves."""
    fates = [cast("Ack", ack.outcome) for ack in acks]
    keep = fates[0].keep
    if all(fate.result is None and fate.keep == keep for fate in fates):
        if keep > 0:
            tx.db.execute(sql("remember_all"), (apsw.carray(leases), tx.now, tx.now + keep))
    else:
        kept = [_memory(ack, tx.now) for ack, fate in zip(acks, fates, strict=True) if fate.keep > 0]
        tx.db.executemany(sql("remember"), kept)


def _memory(ack: Settlement, now: float) -> tuple[str | int | float | bytes | None, ...]:
    delivery, fate = ack.delivery, cast("Ack", ack.outcome)
    ends = (now, now + fate.keep, fate.result)
    return (delivery.id, delivery.queue, delivery.task, delivery.attempt, delivery.created, *ends)


def _again(tx: Transaction, settlement: Settlement, state: State) -> None:
    """Back to waiting: later, in a lane, or at its old place."""
    delivery, fate = settlement.delivery, settlement.outcome
    due = tx.now + fate.delay if isinstance(fate, outcome.Retry | outcome.Snooze) else None
    lane, cause = (fate.lane, fate.reason) if isinstance(fate, outcome.Park) else (None, None)
    failure = rows.pack(fate.failure) if isinstance(fate, outcome.Retry) else None
    if lane is not None:
        tx.db.execute("insert into lane (queue, lane) values (?, ?) on conflict do nothing", (delivery.queue, lane))
        if not tx.value(sql("shut"), (delivery.queue, lane)):
            state = State.READY  # its gate opened meanwhile; nobody would come to wake it
    refund = int(fate.move in lifecycle.REFUNDS)
    number = rows.LIVE_STATES.index(state)
    tx.db.execute(sql("again"), (delivery.receipt, number, due, refund, lane, failure, cause))
    tx.moved(delivery.queue, "running", str(state))
    if isinstance(fate, outcome.Retry):
        tx.count(delivery.queue, "retried")
    tx.topics.add(QUEUE + delivery.queue)


def unparked(tx: Transaction, queue: str, lane: str | None) -> None:
    """What was parked in a lane, or in every lane of a queue, becomes ready."""
    tx.db.execute(
        "update message set state = 1 where state = 3 and queue = ?1 and (?2 is null or lane = ?2)", (queue, lane)
    )
    tx.moved(queue, "parked", "ready", tx.db.changes())
    tx.topics.add(QUEUE + queue)
