"""What is done in transactions of the caller's own, with a watch on it. Adds no meaning, and opens nothing."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from forebay.engine.backend import Completed, Transacts
from forebay.engine.contract import Receipt
from forebay.engine.measured import Watch
from forebay.model.delivery import Delivery
from forebay.model.message import Message
from forebay.model.outcome import Settlement
from forebay.model.queue import QueueSpec


class Within:
    """Publishing and settling in transactions.

    Args:
        undeclared: the queues that are not known to the engine yet; raises where it must not be used.
    """

    def __init__(self, inner: Transacts, watch: Watch, undeclared: Callable[[], Sequence[QueueSpec]]) -> None:
        self._inner, self._watch, self._undeclared = inner, watch, undeclared

    async def publish_in(self, connection: Any, messages: Sequence[Message]) -> list[Receipt]:
        """See `Transacts.publish_in`."""
        queues, started = self._undeclared(), time.perf_counter()
        receipts = await self._inner.publish_in(connection, messages, queues)
        self._watch.note("publish_in", started, len(messages))
        return receipts

    async def complete_in(self, connection: Any, worker: str, settlement: Settlement) -> bool:
        """See `Transacts.complete_in`."""
        self._undeclared()
        started = time.perf_counter()
        done = await self._inner.complete_in(connection, worker, settlement)
        self._watch.note("complete_in", started)
        return done

    async def completed(self, worker: str, deliveries: Sequence[Delivery]) -> list[Completed]:
        """See `Transacts.completed`."""
        started = time.perf_counter()
        standings = await self._inner.completed(worker, deliveries)
        self._watch.note("completed", started, len(deliveries))
        return standings

    async def undo(self, delivery: Delivery) -> bool:
        """See `Transacts.undo`."""
        return await self._inner.undo(delivery)
