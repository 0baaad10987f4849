"""Raw messages to their consumer, whole batches at a time: a batch is full, or has waited long enough."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Collection, Sequence

from forebay.engine.contract import Engine, Leased, Want
from forebay.engine.trouble import Trouble
from forebay.flow.snooze import Snooze
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import EngineClosed, EngineError, LeaseLost, SchemaTooNew, text_of
from forebay.model.outcome import Outcome
from forebay.produce.consumer import Consumer
from forebay.produce.producer import Producer
from forebay.work.batch import Batch, unpacked
from forebay.work.calls import Calls
from forebay.work.failures import Told
from forebay.work.feed import STALE, Host, begun
from forebay.work.run import AGAIN, Stop
from forebay.work.strangers import Strangers

_logger = logging.getLogger("forebay.worker")
_PAUSE, _LONGEST, _NEVER = 0.5, 5.0, float("inf")


class Batches:
    """One consumer of one queue. One batch runs at a time; more processes make more.

    Args:
        calls: what calls it, and then `Batch.over`.

    Attributes:
        trouble: why the last lease failed; "" if it did not.
        asking: whether a lease is under way.
    """

    def __init__(
        self, engine: Engine, host: Host, consumer: Consumer, producer: Producer, calls: Calls[Batch, None]
    ) -> None:
        self._engine, self._host, self._consumer, self._producer = engine, host, consumer, producer
        self._calls = calls
        self._strangers = Strangers(producer.settings.unknown_for, host.time.now)
        self._waiting: list[Delivery] = []
        self._called: Batch | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._full = _NEVER  # when what waits is handed over at the latest
        self._trip, self._news, self._pause, self.trouble = time.monotonic(), 0, _PAUSE, ""
        self.asking = False
        self._log, self._leasing = Trouble(_logger), f"leasing from {consumer.queue}"

    @property
    def called(self) -> Sequence[Delivery]:
        """The messages that the consumer has now."""
        return self._called.deliveries if self._called else ()

    @property
    def running(self) -> int:
        """How many messages the consumer has now."""
        return len(self.called)

    def at_work(self) -> list[tuple[str, str, float]]:
        """The consumer, the first message that it has, and the seconds since."""
        if (batch := self._called) is None:
            return []
        name = f"{batch.consumer.name} with {len(batch.deliveries)} from"
        return [(name, batch.deliveries[0].id, time.monotonic() - batch.started)]

    @property
    def proved(self) -> float:
        """When it last leased, or could have if it had not been busy; monotonic."""
        return self._trip if self._room.is_set() else time.monotonic()

    async def run(self, poll: float) -> None:
        """Fill and hand over until cancelled; a batch that runs is let end."""
        while True:
            try:
                await self._fill(poll)
            except (EngineClosed, SchemaTooNew):
                raise  # for good: this worker cannot go on
            except EngineError as error:
                self.trouble = text_of(error)
                self._host.missed()
                self._log.tell(self._leasing, error, advice=f"trying again, at least every {_LONGEST:g} s")
                await asyncio.sleep(self._pause)
                self._pause = min(self._pause * 2, _LONGEST)
                continue
            batch, self._waiting, self._full = self._waiting, [], _NEVER
            self._hand_over(batch)
            await self._wait_for_room()

    def waits(self) -> list[str]:
        """The messages that the consumer does not have yet."""
        return [delivery.id for delivery in self._waiting]

    def drop(self) -> None:
        """Hand back what has not started."""
        self._host.ends.hand_back(self._waiting)
        self._waiting = []

    def halt(self, why: Stop) -> None:
        """Stop the call that runs."""
        if self._called is not None:
            self._called.halt(why)

    def revoke(self, ids: Collection[str]) -> None:
        """Cancel these: what waits ends at once, a batch is stopped once all of it is cancelled."""
        for delivery in [delivery for delivery in self._waiting if delivery.id in ids]:
            self._waiting.remove(delivery)
            self._host.ends.settle(delivery, outcome.Cancel(str(Stop.CANCEL)))
        if self._called is not None and (news := self._called.revoke(ids)) and self._called.stop is None:
            _logger.info(
                "%s: to be cancelled, but %s has it in a batch of %d, stopped only when all of it is cancelled. "
                "If that fails it is not tried again", ", ".join(sorted(news)), self._consumer.name, self.running,
            )  # fmt: skip

    async def _wait_for_room(self) -> None:
        """Until the batch is over; a long one tells the engine that there is room for none meanwhile."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STALE):
                await self._room.wait()
                return
        with contextlib.suppress(EngineError, LeaseLost):  # whoever leases next says what is wrong
            await self._engine.lease(Want(self._host.id, (self._consumer.queue,), 0))
        await self._room.wait()

    async def _fill(self, poll: float) -> None:
        queues, consumer = (self._consumer.queue,), self._consumer
        while len(self._waiting) < consumer.batch and (time.monotonic() < self._full or not self._waiting):
            if self._host.held():
                await asyncio.sleep(_PAUSE)
                continue
            leased = await self._lease(consumer.batch - len(self._waiting))
            self._answered(leased)
            if leased.cancelled:
                self._host.revoke(leased.cancelled)
            deliveries = [one for one in begun(self._host, leased.deliveries) if not self._host.ruled(one)]
            if deliveries and not self._waiting:
                self._full = self._trip + consumer.max_wait
            self._waiting += deliveries
            if len(self._waiting) < consumer.batch:
                left = self._full - time.monotonic() if self._waiting else poll
                await self._engine.wait(queues, max(0.0, min(poll, left)), self._news)

    async def _lease(self, want: int) -> Leased:
        self.asking = True
        try:
            return await self._engine.lease(Want(self._host.id, (self._consumer.queue,), want))
        finally:
            self.asking = False

    def _answered(self, leased: Leased) -> None:
        """A lease came back."""
        self._host.time.heard(leased.now)
        self._trip, self._news, self._pause, self.trouble = time.monotonic(), leased.news, _PAUSE, ""
        self._log.over(self._leasing)

    def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        """Call the consumer. What cannot be read has its end at once."""
        good, messages, bad = unpacked(deliveries, self._producer, self._strangers)
        self._host.ends.hear(self._settle(bad))
        if not messages:
            return
        self._room.clear()
        now, feeds = self._host.time.latest, self._host.feeding
        self._called = Batch(self._consumer, good, messages, self._over, self._producer, now, feeds)
        try:
            self._calls.start(self._called)
        except (RuntimeError, OSError, MemoryError) as error:  # no thread, no memory: later, or somewhere else
            _logger.error("consumer %s cannot be called now: %s", self._consumer.name, error)
            self._called.error = Snooze(AGAIN)
            self._over(self._called)

    def _over(self, batch: Batch) -> None:
        """The one place where a batch ends, however."""
        batch.interrupt, heard = None, None
        try:
            ends = batch.ends(batch.time.now(), self._producer.settings.result_ttl)
            heard = self._host.ends.hear(self._settle(ends, batch))
        finally:
            self._called = None
            if heard is None:
                self._free(batch)
            else:  # the next one comes when the app's hooks have heard of this one
                heard.add_done_callback(lambda _: self._free(batch))
            self._host.idle()

    def _free(self, batch: Batch) -> None:
        batch.let_go()
        self._trip = time.monotonic()
        self._room.set()

    def _settle(self, ends: Sequence[tuple[Delivery, Outcome]], batch: Batch | None = None) -> list[Told | None]:
        return [self._host.ends.settle(delivery, result, batch) for delivery, result in ends]
