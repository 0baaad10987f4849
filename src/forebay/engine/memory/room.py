"""Queues that hold only so much: whether one more message may come in. What waits is counted where states change."""

from forebay.engine.contract import Receipt
from forebay.engine.full import Filled, child, exempt, refusal
from forebay.engine.memory.record import Queue
from forebay.flow.limit import over, seen
from forebay.model.message import Message
from forebay.model.queue import Limit


def refused(queue: Queue, limit: Limit, message: Message, now: float, before: dict[str, int]) -> Receipt | None:
    """The answer to a new message that its queue has no room for; None if it has.

    Args:
        before: how many of this call were refused, by queue; counted up here.
    """
    if exempt(message):
        return None
    level = queue.level()
    queue.drain = seen(queue.drain, now, level.drained)
    if not over(limit, level, len(message.body), child=child(message)):
        return None
    before[message.queue] = before.get(message.queue, 0) + 1
    return refusal(message, Filled(limit, level, queue.drain, now), before[message.queue])
