"""Forebay: the app object and composition root, the only place that builds the parts."""

import weakref
from collections.abc import Callable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, cast, overload

from forebay import config
from forebay.engine.contract import Fate
from forebay.engine.facade import Facade
from forebay.engine.registry import build
from forebay.engine.waiting import drive
from forebay.flow.retry import Retry
from forebay.model.clock import Clock, SystemClock
from forebay.model.duration import Duration, seconds
from forebay.model.queue import QueueSpec, check_name
from forebay.produce.codec import encode_value
from forebay.produce.context import Context
from forebay.produce.declare import make_consumer, make_schedule, make_task
from forebay.produce.decorators import Anything, Decorator, TaskWays
from forebay.produce.handle import Handle
from forebay.produce.producer import Options, Producer, RawWays, options
from forebay.produce.registry import Registry
from forebay.produce.seal import make_seal
from forebay.produce.task import Task

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Forebay:
    """Queues and tasks on one engine.

    Args:
        url: where messages wait: `sqlite:///relative.db`, `sqlite:////absolute.db`, `memory://`.
        clock: what tells the time; the machine's unless a test brings its own.
        settings: see `forebay.config.Settings`. `FOREBAY_*` and `[tool.forebay]` override what is given here.

    Raises:
        ConfigError: a setting is unknown or not usable.
    """

    def __init__(self, url: str | None = None, *, clock: Clock | None = None, **settings: Any) -> None:
        given = settings if url is None else {"url": url, **settings}
        self.settings, self.origins, keys = config.load(given)
        self.clock: Clock = clock or SystemClock()
        self.registry = Registry()
        backend = build(self.settings, self.clock)
        self.store = backend
        self.engine = Facade(backend, lambda: list(self.registry.queues.values()))
        self.producer = Producer(self.engine, self.store, self.settings, make_seal(self.settings, keys))
        weakref.finalize(self, _close, self.engine)

    def __repr__(self) -> str:
        return f"<Forebay {self.settings.url} with {len(self.registry.tasks)} tasks>"

    async def open(self) -> Self:
        """Open the engine. Producing opens it by itself; a worker and the command line do too."""
        await self.engine.open()
        return self

    async def close(self) -> None:
        """Finish what was accepted and let go of the engine."""
        await self.engine.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        drive(self.engine.open())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        drive(self.engine.close())

    def queue(self, name: str, *, ttl: Duration | None = None) -> QueueSpec:
        """Declare a queue; one that is only used has these defaults.

        Args:
            ttl: messages not started this long after acceptance expire, unless they carry `expires`.
        """
        spec = QueueSpec(name=check_name("queue", name), ttl=None if ttl is None else seconds(ttl, "ttl"))
        self.registry.add_queue(spec)
        return spec

    @overload
    def task(
        self, function: Callable[Concatenate[Anything, ...], Coroutine[Any, Any, T]], /
    ) -> Task[..., Coroutine[Any, Any, T], T]: ...
    @overload
    def task(self, function: Callable[Concatenate[Anything, ...], T], /) -> Task[..., T, T]: ...
    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, T]], /
    ) -> Task[P, Coroutine[Any, Any, T], T]: ...
    @overload
    def task(self, function: Callable[Concatenate[Context, P], T], /) -> Task[P, T, T]: ...
    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> Task[P, Coroutine[Any, Any, T], T]: ...
    @overload
    def task(self, function: Callable[P, T], /) -> Task[P, T, T]: ...
    @overload
    def task(self, /, **ways: Unpack[TaskWays]) -> Decorator: ...
    def task(self, function: Callable[..., Any] | None = None, /, **ways: Unpack[TaskWays]) -> Any:
        """Register a function as a task: `@app.task`, or `@app.task(queue=…, retry=…)`; see `TaskWays`.

        Raises:
            ConfigError: an option or the signature is not usable, or the name is taken.
        """

        def register(function: Callable[..., Any]) -> Task[..., Any, Any]:
            task = make_task(function, ways, self.producer)
            self.registry.add_task(task)
            return task

        return register if function is None else register(function)

    def periodic(self, cron: str, *, tz: str = "UTC", missed: str = "once", **ways: Unpack[TaskWays]) -> Decorator:
        """Register a task without arguments, and run it by the clock, once per tick however many schedulers there are.

        Args:
            cron: five fields, such as "*/5 * * * *".
            tz: an IANA time zone, such as "Europe/Vienna".
            missed: what to do with ticks that nobody fired in time: "skip", "once" (the last of them) or "all".

        Raises:
            ConfigError: one of them is not usable.
        """

        def register(function: Callable[..., Any]) -> Task[..., Any, Any]:
            known = isinstance(function, Task)
            task = cast("Task[..., Any, Any]", function) if known else self.task(**ways)(function)
            self.registry.schedules[task.name] = make_schedule(task, cron, tz, missed, self.clock.now())
            return task

        return cast("Decorator", register)

    def consume(
        self, queue: str, *, batch: int = 100, max_wait: Duration = 0.2, retry: Retry | int | None = None
    ) -> Callable[[F], F]:
        """Register the consumer of a queue of raw messages: a function of a list of `Message`.

        Args:
            batch: the most messages handed over at once.
            max_wait: how long a batch may wait to fill up.
            retry: what to do with all of them when it raises.
        """

        def register(function: F) -> F:
            self.registry.add_consumer(make_consumer(function, queue, batch, max_wait, retry))
            return function

        return register

    async def apublish(self, queue: str, value: Any, **ways: Unpack[RawWays]) -> Handle[Any]:
        """Publish a raw message: any JSON-like value, dataclass, Struct or pydantic model. Durable when this returns.

        Raises:
            BadArguments: the value cannot be encoded.
            PayloadTooLarge: it is too large.
        """
        return (await self.apublish_many(queue, [value], **ways))[0]

    def publish(self, queue: str, value: Any, **ways: Unpack[RawWays]) -> Handle[Any]:
        """`apublish` for synchronous code."""
        return drive(self.apublish(queue, value, **ways))

    async def apublish_many(self, queue: str, values: Sequence[Any], **ways: Unpack[RawWays]) -> list[Handle[Any]]:
        """Publish many raw messages in one transaction."""
        chosen = options(Options(queue=check_name("queue", queue)), ways)
        messages = self.producer.messages("", [encode_value(value) for value in values], chosen)
        receipts = await self.producer.publish(messages)
        return [Handle(self.producer, receipt.id, duplicate=receipt.fate is Fate.DUPLICATE) for receipt in receipts]

    def publish_many(self, queue: str, values: Sequence[Any], **ways: Unpack[RawWays]) -> list[Handle[Any]]:
        """`apublish_many` for synchronous code."""
        return drive(self.apublish_many(queue, values, **ways))

    def handle(self, id_: str) -> Handle[Any]:
        """The handle of a message by its id."""
        return Handle(self.producer, id_)


def _close(engine: Facade) -> None:
    drive(engine.close())
