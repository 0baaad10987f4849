"""One batch of raw messages: what its consumer is given, how it is called, and what becomes of each message."""

import os
from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from forebay.flow.snooze import Snooze
from forebay.model import outcome
from forebay.model.delivery import Delivery
from forebay.model.errors import BadArguments, BadSeal
from forebay.model.outcome import Outcome
from forebay.model.sealed import OVERHEAD
from forebay.produce.batch import Message, received
from forebay.produce.consumer import Consumer
from forebay.produce.context import Feeds, enter_batch
from forebay.produce.producer import Producer
from forebay.work.executor import fate_of, misfit, too_large
from forebay.work.failures import BAD_SEAL
from forebay.work.host import stay
from forebay.work.raised import failure_of, looked_at, without_us
from forebay.work.run import Job, Stop
from forebay.work.storetime import Heard
from forebay.work.strangers import Strangers


class Batch(Job, eq=False):
    """One call of a consumer, with the messages that it has.

    Args:
        over: called on the loop when it has returned or raised.

    Attributes:
        time: the store's, as it was known when it was handed over.
    """

    consumer: Consumer
    deliveries: Sequence[Delivery]
    messages: list[Message]
    over: Callable[["Batch"], None]
    producer: Producer
    time: Heard
    feeds: Feeds | None = None
    revoked: frozenset[str] = frozenset()
    _home: int = msgspec.field(default_factory=os.getpid)

    def __post_init__(self) -> None:
        self.is_async, self.share = self.consumer.is_async, len(self.messages)

    def call(self, expose: Callable[..., Any] | None = None) -> Any:
        """See `Job`."""
        enter_batch(self.deliveries, self.consumer.name, self.producer, self.feeds)
        if expose is None:
            return self.consumer.function(self.messages)
        return expose(self.consumer.function, self.messages)

    def note(self, value: Any, error: BaseException | None) -> None:
        """How the call ended."""
        stay(self._home)
        self.error = value if issubclass(type(value), Snooze) else error if error is None else without_us(error)

    def revoke(self, ids: Collection[str]) -> frozenset[str]:
        """Somebody wants these stopped. The call is stopped once that is so of all its messages; which were news."""
        mine = {delivery.id for delivery in self.deliveries}
        news = frozenset(mine.intersection(ids) - self.revoked)
        self.revoked |= news
        if mine <= self.revoked:
            self.halt(Stop.CANCEL)
        return news

    def ends(self, now: float, keep: float) -> list[tuple[Delivery, Outcome]]:
        """What becomes of its messages, now that it has ended."""
        ends = fates(self.consumer, self.deliveries, self.error, now, keep)
        if self.error is None or (self.stop is None and not self.revoked):
            return ends
        left = outcome.Lose(str(Stop.ORPHANED)) if self.stop is Stop.ORPHANED else outcome.Release()
        stopped = outcome.Cancel(str(Stop.CANCEL)), left
        return [
            (delivery, stopped[0] if delivery.id in self.revoked else stopped[1] if self.stop else result)
            for delivery, result in ends
        ]


def unpacked(
    batch: Sequence[Delivery], producer: Producer, strangers: Strangers
) -> tuple[list[Delivery], list[Message], list[tuple[Delivery, Outcome]]]:
    """The deliveries that can be read, as messages too, and what becomes of those that cannot.

    A message of a task is one of another version, in which this queue has none but tasks: a worker of that one runs it.
    """
    seal, limit = producer.seal, producer.settings.payload_limit
    good: list[Delivery] = []
    messages: list[Message] = []
    bad: list[tuple[Delivery, Outcome]] = []
    for delivery in batch:
        if delivery.task:
            text = f"a message of task {delivery.task!r}, and queue {delivery.queue!r} has a consumer of raw messages"
            bad.append((delivery, strangers.fate(delivery, outcome.DeadLetter(text))))
            continue
        if len(delivery.body) > limit + OVERHEAD:
            bad.append((delivery, too_large(delivery, limit)))
            continue
        try:
            messages.append(received(delivery, seal))
            good.append(delivery)
        except BadArguments as error:
            bad.append((delivery, misfit(delivery, seal, str(error))))
        except BadSeal as error:
            bad.append((delivery, outcome.DeadLetter(f"{BAD_SEAL}: {error}")))
    return good, messages, bad


def fates(
    consumer: Consumer, batch: Sequence[Delivery], error: BaseException | None, now: float, keep: float
) -> list[tuple[Delivery, Outcome]]:
    """What becomes of a batch whose consumer returned, or raised `error`: all alike, each by its own attempts.

    Args:
        keep: seconds that the ends are remembered.
    """
    if error is None:
        return [(delivery, outcome.Ack(None, keep)) for delivery in batch]

    def judged(error: BaseException) -> list[tuple[Delivery, Outcome]]:
        failure = failure_of(error)
        return [(d, fate_of(consumer.retry, error, failure, d, max(0.0, now - d.created))) for d in batch]

    return looked_at(error, judged)
