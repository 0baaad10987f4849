"""Raw messages to their consumer, whole batches at a time: a batch is full, or has waited long enough."""

import asyncio
import logging
import random
import time
from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Engine, Want
from forebay.flow.retry import decide
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import BadArguments, BadSeal, DeadLetter, EngineError
from forebay.produce.batch import Message, received
from forebay.produce.registry import Consumer
from forebay.produce.seal import Seal
from forebay.work.executor import failure_of
from forebay.work.feed import Host

_logger = logging.getLogger("forebay.worker")
_PAUSE = 0.5


class Batches:
    """One consumer of one queue. One batch runs at a time; more processes make more."""

    def __init__(self, engine: Engine, host: Host, consumer: Consumer, seal: Seal | None = None) -> None:
        self._engine, self._host, self._consumer, self._seal = engine, host, consumer, seal
        self._batch: list[Delivery] = []
        self._call: asyncio.Task[None] | None = None
        self.running = 0
        self.proved = time.monotonic()

    async def run(self, poll: float) -> None:
        """Fill and hand over until cancelled; a batch that runs is let end."""
        while True:
            try:
                await self._fill(poll)
            except EngineError as error:
                _logger.error("cannot lease from %s: %s", self._consumer.queue, error)
                await asyncio.sleep(_PAUSE)
                continue
            batch, self._batch = self._batch, []
            self.running = len(batch)
            self._call = asyncio.ensure_future(self._hand_over(batch))
            await asyncio.shield(self._call)

    def drop(self) -> None:
        """Hand back what has not started."""
        self._host.hand_back(self._batch)
        self._batch = []

    async def _fill(self, poll: float) -> None:
        queues, consumer = (self._consumer.queue,), self._consumer
        deadline = float("inf")
        while len(self._batch) < consumer.batch and time.monotonic() < deadline:
            if self._host.held():
                await asyncio.sleep(_PAUSE)
                continue
            leased = await self._engine.lease(Want(self._host.id, queues, consumer.batch - len(self._batch)))
            self.proved = time.monotonic()
            if leased.deliveries and not self._batch:
                deadline = self.proved + consumer.max_wait
            self._batch += leased.deliveries
            if len(self._batch) < consumer.batch:
                await self._engine.wait(queues, max(0.0, min(poll, deadline - time.monotonic())))

    async def _hand_over(self, batch: Sequence[Delivery]) -> None:
        messages: list[Message] = []
        good: list[Delivery] = []
        for delivery in batch:
            try:
                messages.append(received(delivery, self._seal))
                good.append(delivery)
            except (BadArguments, BadSeal) as error:
                self._host.settle(delivery, outcome.DeadLetter(str(error)))
        try:
            if messages:
                await self._run(messages)
        except BaseException as error:  # noqa: BLE001 - whatever a consumer raises is the batch's outcome
            self._failed(good, error)
        else:
            for delivery in good:
                self._host.settle(delivery, outcome.Ack())
        self.running = 0
        self._host.idle()

    async def _run(self, messages: list[Message]) -> Any:
        if self._consumer.is_async:
            return await self._consumer.function(messages)
        return await asyncio.to_thread(self._consumer.function, messages)

    def _failed(self, batch: Sequence[Delivery], error: BaseException) -> None:
        """All of them, each by its own count of tries."""
        failure, now = failure_of(error), time.time()
        for delivery in batch:
            if isinstance(error, asyncio.CancelledError):
                self._host.settle(delivery, outcome.Release())
            elif isinstance(error, DeadLetter):
                self._host.settle(delivery, outcome.DeadLetter(str(error), failure))
            else:
                age = max(0.0, now - delivery.created)
                result = decide(self._consumer.retry, error, failure, delivery.attempt, age, random.random())
                self._host.settle(delivery, result)
