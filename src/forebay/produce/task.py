"""Tasks: a function with a name, a queue and a policy. Called plainly it runs here; enqueued it runs in a worker."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, cast

import msgspec

from forebay.engine.contract import Fate
from forebay.engine.waiting import drive
from forebay.flow.retry import Retry
from forebay.flow.snooze import Snooze
from forebay.model.errors import BadArguments
from forebay.produce.codec import Codec
from forebay.produce.handle import Handle
from forebay.produce.producer import Options, Producer, Ways, options

P = ParamSpec("P")
C = TypeVar("C")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: Messages that one transaction of `enqueue_many` carries.
CHUNK = 5_000


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a task runs.

    Attributes:
        timeout: seconds after which `TimeLimit` is raised in it; None for never. A lease is something else.
        grace: seconds after that until the process of one that cannot be stopped is killed.
        cpu: run in a process of its own.
        at_most_once: settled before it runs; a crash then loses it instead of running it twice.
        result_ttl: seconds that its end and result are remembered; None for the app's setting.
    """

    retry: Retry
    timeout: float | None = None
    grace: float = 5.0
    cpu: bool = False
    at_most_once: bool = False
    result_ttl: float | None = None


class Using(Generic[P, T]):
    """A task with chosen ways to wait; made by `Task.using`."""

    __slots__ = ("_chosen", "_task")

    def __init__(self, task: "Task[P, Any, T | Snooze]", chosen: Options) -> None:
        self._task, self._chosen = task, chosen

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Enqueue one call; durable when this returns.

        Raises:
            BadArguments: the arguments do not fit the task.
            PayloadTooLarge: they are too large.
        """
        return (await self._publish([(args, kwargs)]))[0]

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """`aenqueue` for synchronous code."""
        return drive(self.aenqueue(*args, **kwargs))

    async def aenqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Handle[T]]:
        """Enqueue many calls, in order, thousands to a transaction. See `Task.enqueue_many` for their form."""
        handles: list[Handle[T]] = []
        chunk: list[tuple[Sequence[Any], Mapping[str, Any]]] = []
        for call in calls:
            chunk.append(self._task.split(call))
            if len(chunk) == CHUNK:
                handles += await self._publish(chunk)
                chunk = []
        return handles + await self._publish(chunk)

    def enqueue_many(self, calls: Iterable[Sequence[Any]]) -> list[Handle[T]]:
        """`aenqueue_many` for synchronous code."""
        return drive(self.aenqueue_many(calls))

    async def _publish(self, calls: Sequence[tuple[Sequence[Any], Mapping[str, Any]]]) -> list[Handle[T]]:
        task, producer = self._task, self._task.producer
        encode = task.codec.encode
        messages = producer.messages(task.name, [encode(args, kwargs) for args, kwargs in calls], self._chosen)
        receipts = await producer.publish(messages)
        return [
            Handle(producer, receipt.id, task.codec, duplicate=receipt.fate is Fate.DUPLICATE) for receipt in receipts
        ]


class Task(Generic[P, C, T_co]):
    """A registered function. `C` is what a plain call returns, `T` what the handle's result is."""

    def __init__(
        self, function: Callable[P, C], name: str, producer: Producer, waiting: Options, running: TaskOptions
    ) -> None:
        self.function, self.name, self.producer = function, name, producer
        self.waiting, self.running = waiting, running
        self.codec = Codec(name, function)
        self.is_async = inspect.iscoroutinefunction(function)
        self.__wrapped__ = function
        self.__doc__ = function.__doc__
        self._using: Using[P, Any] = Using(self, waiting)

    def __repr__(self) -> str:
        return f"<Task {self.name} on {self.waiting.queue}>"

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> C:
        """Run it here and now, as the plain function it is."""
        return self.function(*args, **kwargs)

    def using(self: "Task[P, Any, T | Snooze]", **chosen: Unpack[Ways]) -> Using[P, T]:
        """This task with chosen ways to wait; see `Ways`.

        Raises:
            ConfigError: a value makes no sense.
        """
        return Using(self, options(self.waiting, chosen))

    def split(self, call: Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
        """Arguments from one item of `enqueue_many`.

        Raises:
            BadArguments: it is no tuple.
        """
        if not isinstance(call, tuple | list):
            raise BadArguments(f"task {self.name}: each call is a tuple of arguments, not {type(call).__name__}")
        if call and isinstance(call[-1], dict):
            named = cast("dict[str, Any]", call[-1])
            if named and self.codec.open_after(len(call) - 1).issuperset(named):
                return call[:-1], named
        return call, {}

    def enqueue(self: "Task[P, Any, T | Snooze]", *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """Enqueue one call from synchronous code; durable when this returns.

        Raises:
            BadArguments: the arguments do not fit the task.
            PayloadTooLarge: they are too large.
        """
        return self._using.enqueue(*args, **kwargs)

    async def aenqueue(self: "Task[P, Any, T | Snooze]", *args: P.args, **kwargs: P.kwargs) -> Handle[T]:
        """`enqueue` for asynchronous code."""
        return await self._using.aenqueue(*args, **kwargs)

    def enqueue_many(self: "Task[P, Any, T | Snooze]", calls: Iterable[Sequence[Any]]) -> list[Handle[T]]:
        """Enqueue many calls: tuples of positional arguments, the last item may be a dict of keyword arguments.

        It is one if each of its keys names a parameter that the items before it leave open.
        """
        return self._using.enqueue_many(calls)

    async def aenqueue_many(self: "Task[P, Any, T | Snooze]", calls: Iterable[Sequence[Any]]) -> list[Handle[T]]:
        """`enqueue_many` for asynchronous code."""
        return await self._using.aenqueue_many(calls)
