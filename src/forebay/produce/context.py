"""What a handler may reach while it runs: its message, its time left, progress, a logger."""

import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Generator, Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, Union, cast

from forebay.engine.shield import shield
from forebay.engine.waiting import drive
from forebay.model import message
from forebay.model.delivery import Delivery
from forebay.model.errors import ConfigError, ForebayError
from forebay.model.message import Message

if TYPE_CHECKING:
    from forebay.flow.snooze import Snooze
    from forebay.produce.handle import Handle
    from forebay.produce.producer import Producer
    from forebay.produce.task import Task

P = ParamSpec("P")
T = TypeVar("T")

#: Headers that tell where a message came from: the first of the family, the message that made this one, its queue, and
#: its task (for a batch: of its first message, and the name of its consumer).
ROOT, PARENT, ORIGIN, ORIGIN_TASK = "forebay-root", message.PARENT, "forebay-origin", "forebay-origin-task"

_logger = logging.getLogger("forebay.task")


class _Log(logging.LoggerAdapter[logging.Logger]):
    """Says which message its records are about, beside the `extra=` of who logs; Python's own puts that away."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """See `logging.LoggerAdapter`."""
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


_Running = Union["Context", None]
#: The largest that an engine counts.
_MOST_SPENT = 1e12
_current: contextvars.ContextVar[_Running] = contextvars.ContextVar("forebay_context", default=None)


class Completes(Protocol):
    """What settles a running message in a transaction of its task."""

    @property
    def worker(self) -> str:
        """The id of the worker that holds it."""
        ...

    async def complete(self, context: "Context", connection: Any, value: Any) -> None:
        """See `Context.complete_in`."""
        ...


class Tells(Protocol):
    """The store's time, as a worker knows it."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...


#: Told of what a running task publishes.
Feeds = Callable[["Context", Sequence[Message]], None]


class About:
    """What a message says of itself while it runs."""

    __slots__ = ("delivery",)
    delivery: Delivery

    @property
    def id(self) -> str:
        """The message's id."""
        return self.delivery.id

    @property
    def task(self) -> str:
        """The name of its task; "" of a raw message."""
        return self.delivery.task

    @property
    def queue(self) -> str:
        """The queue it came from."""
        return self.delivery.queue

    @property
    def attempt(self) -> int:
        """1 for the first attempt."""
        return self.delivery.attempt

    @property
    def key(self) -> str | None:
        """The tenant or entity it belongs to."""
        return self.delivery.key

    @property
    def headers(self) -> Mapping[str, str]:
        """What travelled along."""
        return self.delivery.headers or {}

    @property
    def root(self) -> str:
        """The id of the first message of its family: its own, unless another one made it."""
        return self.headers.get(ROOT, self.id)

    @property
    def parent(self) -> str | None:
        """The id of the message whose task or consumer made it; None if no other did."""
        return self.headers.get(PARENT)

    @property
    def origin(self) -> tuple[str, str] | None:
        """The queue and the task of its parent (or the name of a consumer); None if no other message made it."""
        return (self.headers.get(ORIGIN, ""), self.headers.get(ORIGIN_TASK, "")) if PARENT in self.headers else None


class Context(About):
    """The running message, as seen from inside its task. Annotate a parameter with it, or ask `Context.current()`.

    `provider` is the name of the provider to ask: its task's, or that one's fallback; None without one.

    In a consumer of raw messages it is that of the first message of the batch, which stands for all of them.
    """

    __slots__ = (
        "_completes", "_report", "began", "completing", "consumer", "ends", "feeds", "given", "producer", "provider",
        "spends", "time",
    )  # fmt: skip

    def __init__(
        self,
        delivery: Delivery,
        timeout: float | None = None,
        producer: "Producer | None" = None,
        report: Callable[[Delivery, Any], None] | None = None,
        completes: Completes | None = None,
    ) -> None:
        self.delivery = delivery
        self.producer = producer
        self.began = began = time.monotonic()
        self.ends: float | None = None if timeout is None else began + timeout
        self._report = report
        self._completes = completes
        self.completing, self.consumer = False, ""
        self.given: Any = None
        self.feeds: Feeds | None = None
        self.time: Tells | None = None
        self.provider: str | None = None
        self.spends: Callable[[float], None] | None = None

    @staticmethod
    def current() -> "Context":
        """The context of the task, or of the consumer's batch, that runs here.

        Raises:
            ForebayError: none runs here.
        """
        context = _current.get()
        if context is None:
            raise ForebayError("no task runs here: Context.current() works inside a task that a worker runs")
        return context

    @property
    def worker(self) -> str:
        """The id of the worker process under whose lease it runs; "" outside of one."""
        return "" if self._completes is None else self._completes.worker

    @property
    def deadline(self) -> float | None:
        """Seconds left until `timeout=` strikes; None without one. Below 0 it has struck."""
        return None if self.ends is None else self.ends - time.monotonic()

    @property
    def expires_in(self) -> float | None:
        """Seconds left until the message's `expires=` has passed, by the store's clock; None without one."""
        late = self.delivery.expires
        return None if late is None or self.time is None else late - self.time.now()

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry id, task, queue and attempt, and the `extra=` of each call."""
        task = self.delivery.task or self.consumer
        extra = {"message_id": self.id, "task": task, "queue": self.delivery.queue, "attempt": self.attempt}
        return _Log(_logger, extra)

    def progress(self, value: Any) -> None:
        """Publish how far this is: any value that a message may hold. Returns at once; the newest one wins.

        Raises:
            ForebayError: a consumer runs here: its messages share a call, and have no progress of their own.
        """
        if self.consumer:
            raise ForebayError("a batch of raw messages has no progress: enqueue tasks for work that wants to show it")
        if self._report is not None and not self.completing:
            with shield():
                self._report(self.delivery, value)

    def spent(self, cost: float) -> None:
        """So much was really spent with its provider, in the unit of `cost=`: tokens, say. Called again, it adds up.

        When the task ends, the rate and the budgets of the provider are corrected: they were charged what `cost=` said.

        Raises:
            ForebayError: it has no provider.
            ConfigError: that is no cost.
        """
        if self.spends is None:
            raise ForebayError("spent() corrects what a provider was charged: it needs provider=")
        said = cast("object", cost)
        if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said <= _MOST_SPENT:
            raise ConfigError(f"spent: a number from 0 to {_MOST_SPENT:,.0f}, not {cost!r:.100}")
        self.spends(float(said))

    def complete_in(self, connection: Any, result: Any = None) -> None:
        """Have this message done in the transaction that is open on `connection`: with its effects, or not at all.

        Call it last, right before the commit. What the task returns after that is not kept: its result is `result`. A
        transaction that is not committed makes this a failed attempt, whatever the task returns.

        Args:
            connection: to the engine's own database, as for `in_transaction=`.
            result: what the handle's `result()` is to be.

        Raises:
            LeaseLost: the message is not this worker's any more. Let it out, so that the transaction is rolled back.
            ConfigError: there is no transaction on that connection, or this engine or task has no use for one.
            BadResult, PayloadTooLarge: the result cannot be kept.
        """
        drive(self.acomplete_in(connection, result))

    async def acomplete_in(self, connection: Any, result: Any = None) -> None:
        """`complete_in` for asynchronous code."""
        if self.consumer:
            raise ForebayError("a batch of raw messages cannot be done in a transaction: enqueue tasks for such work")
        if self._completes is None:
            raise ForebayError("no worker runs this message: complete_in works inside a task that a worker runs")
        await self._completes.complete(self, connection, result)

    def enqueue(self, task: "Task[P, Any, T | Snooze]", /, *args: P.args, **kwargs: P.kwargs) -> "Handle[T]":
        """Enqueue from synchronous code as from inside this task, wherever that is: in a thread of its own, say."""
        with self._here():
            return task.enqueue(*args, **kwargs)

    async def aenqueue(self, task: "Task[P, Any, T | Snooze]", /, *args: P.args, **kwargs: P.kwargs) -> "Handle[T]":
        """Enqueue from asynchronous code."""
        with self._here():
            return await task.aenqueue(*args, **kwargs)

    @contextlib.contextmanager
    def _here(self) -> Generator[None, None, None]:
        """A thread that a task starts knows of no context by itself, and a hook runs after its task."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)


def running() -> Context | None:
    """The context of the task that runs here, if one does."""
    here = _current.get()
    return None if here is None or here.consumer else here


def at_work() -> Context | None:
    """The context of the task, or of the consumer's batch, that runs here, if one does."""
    return _current.get()


#: Makes a context the current one.
enter: Callable[[Context], contextvars.Token[_Running]] = _current.set


def enter_batch(
    batch: Sequence[Delivery], consumer: str, producer: "Producer | None" = None, feeds: Feeds | None = None
) -> contextvars.Token[_Running]:
    """Make a batch the origin of what its consumer enqueues: the first message stands for all. Undone by `leave`."""
    context = Context(batch[0], producer=producer)
    context.consumer, context.feeds = consumer, feeds
    return _current.set(context)


def leave(token: contextvars.Token[_Running]) -> None:
    """Undo `enter`."""
    _current.reset(token)


def running_producer() -> "Producer | None":
    """What the app that runs the present task, or batch, sends through; None outside of both."""
    running = _current.get()
    return None if running is None else running.producer


def feeds(producer: "Producer", messages: Sequence[Message]) -> None:
    """These are about to be published: whoever gathers which task publishes where is told, if one runs here."""
    running = _current.get()
    if running is not None and running.feeds is not None and running.producer is producer:
        running.feeds(running, messages)


def lineage() -> dict[str, str] | None:
    """The headers that tell where a message made here comes from; None outside of tasks and consumers."""
    running = _current.get()
    if running is None:
        return None
    parent = running.delivery
    return {ROOT: running.root, PARENT: parent.id, ORIGIN: parent.queue, ORIGIN_TASK: running.consumer or parent.task}
