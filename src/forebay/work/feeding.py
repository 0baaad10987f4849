"""Which queues the tasks of this process publish into, gathered where they do. In memory; others write it down.

Called with each publish of a running task, from whatever thread that runs in: it must cost next to nothing, and lock
nothing. Decides nothing.
"""

from collections.abc import Callable, Iterable, Sequence

from forebay.model.message import Message
from forebay.model.topology import Edge
from forebay.produce.context import Context


def _nobody() -> None:
    """Nobody wants to know."""


class Feeding:
    """Edges seen since they were last taken.

    Attributes:
        wake: called, from any thread, when an edge is new, or when `room` is used up.
        room: how many more may go into a queue until it is worth another look.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, bool, str, str], Edge] = {}
        self._used: dict[Edge, None] = {}
        self.room: dict[str, int] = {}
        self.wake: Callable[[], None] = _nobody

    def __call__(self, running: Context, messages: Sequence[Message]) -> None:
        """A task, or a consumer, publishes these."""
        delivery, consumer = running.delivery, running.consumer
        for message in messages:
            key = (delivery.queue, consumer or delivery.task, bool(consumer), message.queue, message.task)
            edge = self._known.get(key)
            if edge is None:
                edge = self._known[key] = Edge(*key)
                self._used[edge] = None
                self.wake()
            self._used[edge] = None
            left = self.room.get(message.queue)
            if left is not None:
                self.room[message.queue] = left - 1
                if left == 1:
                    self.wake()

    def merge(self, edges: Iterable[Edge]) -> None:
        """Those that another process has seen."""
        new = False
        for edge in edges:
            key = (edge.source, edge.task, edge.consumer, edge.target, edge.made)
            new = new or key not in self._known
            self._known.setdefault(key, edge)
            self._used[edge] = None
        if new:
            self.wake()

    def take(self) -> list[Edge]:
        """Those seen since the last time."""
        used, self._used = self._used, {}
        return list(used)
