"""Queues that hold only so much: whether one more message may come in. What waits is counted where states change."""

from collections.abc import Mapping

from forebay.engine.contract import Receipt
from forebay.engine.full import Filled, child, refusal
from forebay.engine.memory.gates import Gates
from forebay.engine.memory.line import Line
from forebay.engine.memory.record import Queue, Record
from forebay.flow import limit as policy
from forebay.flow.limit import grown, never, noted, over, seen
from forebay.model.message import Message
from forebay.model.queue import Limit


class Refusals:
    """What queues had no room for within one call: how many messages and bytes, so that nothing overtakes them."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates
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
        filled = Filled(limit, level, queue.drain, now, self._gates.opens(message.queue))
        return refusal(message, filled, n, before)

    def outgrown(self, queue: Queue, limit: Limit, message: Message, instead: int, now: float) -> Receipt | None:
        """The answer to newer arguments that are too large to take the place of `instead` bytes; None if they may."""
        level, size, before = queue.level(now), len(message.body), self._size.get(message.queue, 0)
        drain, opens = seen(queue.drain, now, level.drained), self._gates.opens(message.queue)
        filled = Filled(limit, level, drain, now, opens)
        if never(limit, size):
            return refusal(message, filled)
        if not grown(limit, level, size, instead, before, child=child(message)):
            return None
        queue.drain = policy.refused(drain, limit, level.plus(-1, before - instead), now, size)
        n = self._n[message.queue] = self._n.get(message.queue, 0) + 1
        self._size[message.queue] = before + size
        return refusal(message, filled, n, before, instead)


def surplus(
    queue: Queue, limit: Limit, scheduled: Line, records: Mapping[str, Record], but: Record | None = None
) -> list[Record]:
    """The oldest that wait, as many as are to go, `but` one. Looks at all that do, which the reference may."""
    n, size = policy.surplus(limit, queue.level(0.0))
    if not n and not size:
        return []
    later = (record for id_ in scheduled if (record := records[id_]).message.queue == queue.spec.name)
    there = (record for record in (*queue.records.values(), *later) if record is not but)
    found = sorted(there, key=lambda record: record.receipt)
    return found[: policy.oldest((len(record.message.body) for record in found), n, size)]
