"""Queues that hold only so much: whether one more message may come in. What waits is counted where states change."""

from collections.abc import Mapping

from forebay.engine.contract import Receipt
from forebay.engine.full import Filled, child, refusal
from forebay.engine.memory.line import Line
from forebay.engine.memory.record import Queue, Record
from forebay.flow import limit as policy
from forebay.flow.limit import never, noted, over
from forebay.model.message import Message
from forebay.model.queue import Limit


class Refusals:
    """What queues had no room for within one call: how many messages and bytes, so that nothing overtakes them."""

    def __init__(self) -> None:
        self._n: dict[str, int] = {}
        self._size: dict[str, int] = {}

    def refused(self, queue: Queue, limit: Limit, message: Message, now: float) -> Receipt | None:
        """The answer to a new message that its queue has no room for; None if it has."""
        level, size, before = queue.level(now), len(message.body), self._size.get(message.queue, 0)
        queue.drain = noted(queue.drain, limit, level, now, size)
        ahead = level._replace(size=level.size + before)
        if never(limit, size):
            return refusal(message, Filled(limit, level, queue.drain, now))
        if not over(limit, ahead, size, child=child(message), priority=message.priority):
            return None
        n = self._n[message.queue] = self._n.get(message.queue, 0) + 1
        self._size[message.queue] = before + size
        return refusal(message, Filled(limit, level, queue.drain, now), n, before)


def surplus(queue: Queue, limit: Limit, scheduled: Line, records: Mapping[str, Record]) -> list[Record]:
    """The oldest that wait, as many as are to go. Looks at all that do, which the reference may."""
    n, size = policy.surplus(limit, queue.level(0.0))
    if not n and not size:
        return []
    later = (record for id_ in scheduled if (record := records[id_]).message.queue == queue.spec.name)
    found = sorted([*queue.records.values(), *later], key=lambda record: record.receipt)
    return found[: policy.oldest((len(record.message.body) for record in found), n, size)]
