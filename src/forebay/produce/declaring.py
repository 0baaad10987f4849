"""The decorators that an app and a registry share: `task`, `periodic`, `consume`, and `queue`.

Each checks its options at once and takes in what it made; none opens anything.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack, cast, overload

from forebay.flow.retry import Retry
from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.options import known_options
from forebay.model.queue import QueueSpec, check_name
from forebay.produce.bounds import QueueWays, bounds
from forebay.produce.context import Context
from forebay.produce.declare import Timing, make_consumer, make_planned, make_task
from forebay.produce.decorators import Anything, Decorator, Missed, Overlap, PeriodicWays, TaskWays
from forebay.produce.provided import ProviderSpec, ProviderWays, declared
from forebay.produce.task import Task

if TYPE_CHECKING:
    from forebay.produce.registry import Registry

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Declares:
    """Whatever has a registry to declare in."""

    def _registry(self) -> "Registry":
        raise TypeError(f"{type(self).__name__} has no registry")

    def queue(self, name: str, *, ttl: Duration | None = None, **ways: Unpack[QueueWays]) -> QueueSpec:
        """Declare a queue; one that is only used has these defaults. See `QueueWays` for limits, rates and order.

        What is declared is kept with the queue and obeyed by every worker, for what waits already as well. The worker
        that was started last is the one whose declaration holds.

        Args:
            ttl: messages not started this long after acceptance expire, unless they carry `expires`.

        Raises:
            ConfigError: an option is not usable, or the queue was declared differently before.
        """
        where = f"queue {check_name('queue', name)}"
        spec = QueueSpec(name=name, ttl=None if ttl is None else seconds(ttl, f"{where}: ttl"), **bounds(where, ways))
        self._registry().add(spec)
        return spec

    def provider(self, name: str, /, **ways: Unpack[ProviderWays]) -> ProviderSpec:
        """Declare an outside service that tasks depend on: `@app.task(provider="smtp")`. See `ProviderWays`.

        What is known of it is kept in the store, for all tasks, processes and hosts: while it is down nothing is asked
        of it, what waits for it uses up no attempt, and when it answers again it is asked by and by.

        Raises:
            ConfigError: an option is not usable, or the provider was declared differently before.
        """
        spec = declared(name, ways)
        self._registry().add(spec)
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
            registry = self._registry()
            task = make_task(function, ways, registry)
            registry.add(task)
            return registry.tasks[task.name]

        return register if function is None else register(function)

    def periodic(
        self,
        cron: str | Duration | None = None,
        *,
        every: Duration | None = None,
        tz: str = "UTC",
        missed: Missed = "once",
        overlap: Overlap = "allow",
        **ways: Unpack[PeriodicWays],
    ) -> Decorator:
        """Run a task without arguments by the clock, once per tick however many schedulers there are.

        Above a function it makes a task of it, and takes all of a task's options. Above a task it gives it one more
        schedule, and takes the options that say how a message waits.

        Args:
            cron: five fields, such as "*/5 * * * *", or a name such as "@daily"; a number is taken as `every`.
            every: the time between two ticks, from 1 s; they are the whole multiples of it since 1970-01-01 00:00 UTC.
            tz: an IANA time zone, such as "Europe/Vienna".
            missed: what to do with ticks that nobody fired in time: "skip", "once" (the last of them) or "all".
            overlap: what a tick does while the message of the one before has not ended: "allow" another one, "skip", or
                "queue" (one may wait beside one that runs).

        Raises:
            ConfigError: one of them is not usable.
            BadArguments: the task needs arguments.
        """
        if callable(cron):
            raise ConfigError('say when it runs: @app.periodic("*/5 * * * *"), or @app.periodic(every=30)')
        timed = partial(Timing.of, cron, every, tz, missed, overlap)

        def register(function: Callable[..., Any]) -> Task[..., Any, Any]:
            registry = self._registry()
            planned = make_planned(function, timed, ways, registry)
            if planned not in registry.schedules.values():
                registry.add(planned)
            return planned.task

        return cast("Decorator", register)

    @known_options("consume()")
    def consume(
        self, queue: str, *, batch: int = 100, max_wait: Duration = 0.2, retry: Retry | int | None = None
    ) -> Callable[[F], F]:
        """Register the consumer of a queue of raw messages: a function of a list of `Message`.

        Args:
            batch: the most messages handed over at once; 1 to 10,000.
            max_wait: how long a batch may wait to fill up.
            retry: what to do with all of them when it raises.

        Raises:
            ConfigError: an option is not usable, or the queue has a consumer or tasks already.
        """

        def register(function: F) -> F:
            self._registry().add(make_consumer(function, queue, batch, max_wait, retry))
            return function

        return register
