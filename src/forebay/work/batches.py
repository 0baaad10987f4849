"""Raw messages to their consumer, whole batches at a time: a batch is full, or has waited long enough."""

import asyncio
import logging
import os
import random
import time
from collections.abc import Sequence
from typing import Any

from forebay.engine.contract import Engine, Want
from forebay.flow.retry import decide
from forebay.flow.snooze import Snooze
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import BadArguments, BadSeal, EngineError
from forebay.model.outcome import Outcome
from forebay.model.sealed import OVERHEAD
from forebay.produce.batch import Message, received
from forebay.produce.consumer import Consumer
from forebay.produce.context import enter_batch
from forebay.produce.producer import Producer
from forebay.work.executor import failure_of, misfit, too_large
from forebay.work.feed import Host
from forebay.work.host import stay

_logger = logging.getLogger("forebay.worker")
_PAUSE = 0.5


class Batches:
    """One consumer of one queue. One batch runs at a time; more processes make more."""

    def __init__(self, engine: Engine, host: Host, consumer: Consumer, producer: Producer) -> None:
        self._engine, self._host, self._consumer, self._producer = engine, host, consumer, producer
        self._batch: list[Delivery] = []
        self._call: asyncio.Task[None] | None = None
        self._called: list[Delivery] = []
        self._trip = time.monotonic()
        self._home = os.getpid()

    @property
    def called(self) -> Sequence[Delivery]:
        """The messages that the consumer has now."""
        return self._called

    @property
    def running(self) -> int:
        """How many messages the consumer has now."""
        return len(self._called)

    @property
    def proved(self) -> float:
        """When it last leased, or could have if it had not been busy; monotonic."""
        return time.monotonic() if self._called else self._trip

    async def run(self, poll: float) -> None:
        """Fill and hand over until cancelled; a batch that runs is let end."""
        while True:
            try:
                await self._fill(poll)
            except EngineError as error:
                _logger.error("cannot lease from %s: %s", self._consumer.queue, error)
                await asyncio.sleep(_PAUSE)
                continue
            self._called, self._batch = self._batch, []
            self._call = asyncio.ensure_future(self._hand_over(self._called))
            await asyncio.shield(self._call)

    def drop(self) -> None:
        """Hand back what has not started."""
        self._host.hand_back(self._batch)
        self._batch = []

    def halt(self) -> None:
        """Stop the call that runs; one of synchronous code cannot be, and ends with the process."""
        if self._call is not None and self._consumer.is_async:
            self._call.cancel()

    async def _fill(self, poll: float) -> None:
        queues, consumer = (self._consumer.queue,), self._consumer
        deadline = float("inf")
        while len(self._batch) < consumer.batch and time.monotonic() < deadline:
            if self._host.held():
                await asyncio.sleep(_PAUSE)
                continue
            leased = await self._engine.lease(Want(self._host.id, queues, consumer.batch - len(self._batch)))
            self._trip = time.monotonic()
            if leased.deliveries and not self._batch:
                deadline = self._trip + consumer.max_wait
            self._batch += leased.deliveries
            if len(self._batch) < consumer.batch:
                await self._engine.wait(queues, max(0.0, min(poll, deadline - time.monotonic())), leased.news)

    async def _hand_over(self, batch: Sequence[Delivery]) -> None:
        good, messages, bad = unpacked(batch, self._producer)
        self._settle(bad)
        failure: BaseException | None = None
        try:
            if messages:
                enter_batch(good, self._consumer.name, self._producer)
                value = await self._run(messages)
                failure = value if isinstance(value, Snooze) else None
        except BaseException as error:  # noqa: BLE001 - whatever a consumer raises is the batch's outcome
            failure = error
        stay(self._home)
        self._settle(fates(self._consumer, good, failure, time.time()))
        self._called, self._trip = [], time.monotonic()
        self._host.idle()

    def _settle(self, ends: Sequence[tuple[Delivery, Outcome]]) -> None:
        for delivery, result in ends:
            self._host.settle(delivery, result)

    async def _run(self, messages: list[Message]) -> Any:
        if self._consumer.is_async:
            return await self._consumer.function(messages)
        return await asyncio.to_thread(self._in_thread, messages)

    def _in_thread(self, messages: list[Message]) -> Any:
        try:
            return self._consumer.function(messages)
        finally:
            stay(self._home)


def unpacked(
    batch: Sequence[Delivery], producer: Producer
) -> tuple[list[Delivery], list[Message], list[tuple[Delivery, Outcome]]]:
    """The deliveries that can be read, as messages too, and what becomes of those that cannot."""
    seal, limit = producer.seal, producer.settings.payload_limit
    good: list[Delivery] = []
    messages: list[Message] = []
    bad: list[tuple[Delivery, Outcome]] = []
    for delivery in batch:
        if len(delivery.body) > limit + OVERHEAD:
            bad.append((delivery, too_large(delivery, limit)))
            continue
        try:
            messages.append(received(delivery, seal))
            good.append(delivery)
        except BadArguments as error:
            bad.append((delivery, misfit(delivery, seal, str(error))))
        except BadSeal as error:
            bad.append((delivery, outcome.DeadLetter(f"bad seal: {error}")))
    return good, messages, bad


def fates(
    consumer: Consumer, batch: Sequence[Delivery], error: BaseException | None, now: float
) -> list[tuple[Delivery, Outcome]]:
    """What becomes of a batch whose consumer returned, or raised `error`: all alike, each by its own count of tries."""
    if error is None:
        return [(delivery, outcome.Ack()) for delivery in batch]
    if isinstance(error, asyncio.CancelledError):
        return [(delivery, outcome.Release()) for delivery in batch]
    failure = failure_of(error)
    ages = {delivery.id: max(0.0, now - delivery.created) for delivery in batch}
    return [(d, decide(consumer.retry, error, failure, d.attempt, ages[d.id], random.random())) for d in batch]
