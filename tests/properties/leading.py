"""Where an engine may choose who starts, memory is led the same way: each that it gave has to be one that may start.

So lanes that share a meter (two lanes of a key, a queue with slots) are held to the model as well: never more than it
lets through, and, unless the limit was reached, nothing left that it would let through.
"""

import math
from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Leased, Want
from forebay.engine.memory.record import Queue, Record
from forebay.engine.memory.state import SWEEP
from forebay.model.delivery import Delivery
from forebay.model.errors import LeaseLost
from forebay.model.lifecycle import Move

#: Leases in a row after which nothing may be left: one may have to put messages into their lanes first.
ROUNDS = 3


def follow(model: Any, want: Want, given: Sequence[Delivery]) -> Leased:
    """Lease in memory what an engine gave.

    Raises:
        AssertionError: one of them may not start.
        LeaseLost: as the model's own lease.
    """
    memory, left = model._memory, {delivery.id for delivery in given}
    with memory.verb() as now:
        if (worker := memory.worker(want.worker)) is None:
            raise LeaseLost("no lease")
        memory.expire(now, SWEEP)
        caps, taken = dict(want.caps), list[Record]()
        while (record := _next(model, left, caps, now)) is not None:
            record.worker, record.started = want.worker, now
            record.attempt += 1
            record.fence += 1
            memory.shift(record, Move.LEASE, now)
            taken.append(record)
            left.discard(record.id)
        why = [(id_[-1], memory.records[id_].state, memory.records[id_].place) for id_ in left if id_ in memory.records]
        assert not left, f"the engine gave what may not start: {why}"
        return Leased([record.delivery() for record in taken], tuple(worker.asked), memory.work.version, now)


def _next(model: Any, left: set[str], caps: dict[str, int], now: float) -> Record | None:
    """One of them that may start; the cheapest first, since what is dear is paid for by those after it."""
    memory = model._memory
    known = [memory.records[id_] for id_ in left if id_ in memory.records]
    for record in sorted(known, key=lambda one: one.message.cost):
        queue, place = memory.queues[record.message.queue], record.place
        if place in queue.lines and (queue.lines[place].head() == record.id or _step_aside(queue, record)):
            got = model._head(queue, record.place, caps, now)
            if got is not None:
                return got
            if record.place != place:
                queue.remove(record)
                queue.add(record, place)
    return None


def _step_aside(queue: Queue, record: Record) -> bool:
    """Let it wait by itself, if nobody of its task and key is before it; whether that is so.

    What nobody asks to be told apart any more, memory puts together at once, and an engine when a lane has run empty.
    """
    message, own = record.message, record.place
    ahead = [one for one in queue.records.values() if one.place == own and _rank(queue, one) < _rank(queue, record)]
    alike = {(one.message.task, one.message.key) for one in ahead}
    if (message.task, message.key) in alike:
        return False
    if queue.spec.ordered and message.key in {key for _, key in alike}:
        return False
    queue.remove(record)
    queue.add(record, f"{own}|by itself")
    return True


def _rank(queue: Queue, record: Record) -> tuple[float, int]:
    first = record.first and queue.spec.ordered
    return (-math.inf if first else -record.message.priority, record.receipt)


def startable(model: Any, want: Want) -> list[str]:
    """Ids that the model would still let through, one of each lane."""
    memory = model._memory
    with memory.verb() as now:
        queues = [memory.queues[name] for name in want.queues if name in memory.queues]
        heads = [(queue, memory.records[line.head()]) for queue in queues for line in queue.lines.values()]
        return [head.id for queue, head in heads if _may(model, queue, head, want, now)]


def _may(model: Any, queue: Queue, head: Record, want: Want, now: float) -> bool:
    memory = model._memory
    if want.caps.get(head.lane, 1) <= 0 or queue.held_until(head) is not None or memory.gates.is_shut(head):
        return False
    again = memory.bounds.again(head, queue, now)
    return again is not None and again <= now - 1e-6
