"""Queues that hold only so much: whether one more message may come in. What waits is counted where states change."""

from collections.abc import Mapping
from heapq import nsmallest

from forebay.engine.contract import Receipt
from forebay.engine.full import Filled, child, refusal
from forebay.engine.memory.line import Line
from forebay.engine.memory.record import Queue, Record
from forebay.flow import limit as policy
from forebay.flow.limit import noted, over
from forebay.model.message import Message
from forebay.model.queue import Limit


def refused(queue: Queue, limit: Limit, message: Message, now: float, before: dict[str, int]) -> Receipt | None:
    """The answer to a new message that its queue has no room for; None if it has.

    Args:
        before: how many of this call were refused, by queue; counted up here.
    """
    level = queue.level(now)
    queue.drain = noted(queue.drain, limit, level, now)
    if not over(limit, level, len(message.body), child=child(message), priority=message.priority):
        return None
    before[message.queue] = before.get(message.queue, 0) + 1
    return refusal(message, Filled(limit, level, queue.drain, now), before[message.queue])


def surplus(queue: Queue, limit: Limit, scheduled: Line, records: Mapping[str, Record]) -> list[Record]:
    """The oldest that wait, as many as are to go. Looks at all that do, which the reference may."""
    n = policy.surplus(limit, queue.level(0.0))
    if not n:
        return []
    later = (record for id_ in scheduled if (record := records[id_]).message.queue == queue.spec.name)
    return nsmallest(n, [*queue.records.values(), *later], key=lambda record: record.receipt)
