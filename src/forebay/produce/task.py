"""Tasks: a function with a name, a queue and a policy. Called plainly it runs here; enqueued it runs in a worker.

A task can be used wherever its function could: it has its name, its documentation and its signature, it can be copied
and pickled (by reference, as functions are), and asked whether a call of it has to be awaited.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, Unpack, overload

import msgspec

from forebay.flow.retry import Retry
from forebay.flow.snooze import Snooze
from forebay.model.errors import ConfigError
from forebay.model.message import CPU, Message
from forebay.model.provider import lane_of, meter_of
from forebay.produce.calls import Call, Using
from forebay.produce.codec import Codec
from forebay.produce.function import is_async
from forebay.produce.handle import Handle, named
from forebay.produce.origin import origin
from forebay.produce.pricing import Cost, priced
from forebay.produce.producer import MAIN, Producer, Way
from forebay.produce.ways import Options, Sends, apart, options

P = ParamSpec("P")
C = TypeVar("C")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class TaskOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a task runs.

    Attributes:
        timeout: seconds after which `TimeLimit` is raised in it; None for never. A lease is something else.
        grace: seconds after that until the process of one that cannot be stopped is killed.
        cpu: run in a process of its own.
        at_most_once: settled before it runs; a crash then loses it instead of running it twice.
        result_ttl: seconds that its end and result are remembered; None for the app's setting.
        provider: the name of the outside service that it depends on; None for none.
        provider_key: the parameter that names the account or key with which it is asked.
        cost: what a call takes from rates: a number, or a function of its arguments.
    """

    retry: Retry
    timeout: float | None = None
    grace: float = 5.0
    cpu: bool = False
    at_most_once: bool = False
    result_ttl: float | None = None
    provider: str | None = None
    provider_key: str | None = None
    cost: Cost | None = None

    @property
    def priced(self) -> bool:
        """Whether its arguments say more than what it is called with."""
        return self.cost is not None or self.provider_key is not None


class Home(Protocol):
    """Where a task was declared."""

    @property
    def producer(self) -> Producer:
        """What its messages go through."""
        ...


class Task(Generic[P, C, T_co]):
    """A registered function. `C` is what a plain call returns, `T` what the handle's result is.

    Attributes:
        special: it has a provider, or runs at most once, so that there is more to do before it begins and when it ends.
        way: the lane that its messages wait in, apart from others that need not wait for the same, and the meters that
            they pass beside those of their queue.
    """

    def __init__(self, function: Callable[P, C], name: str, home: Home, waiting: Options, running: TaskOptions) -> None:
        self.function, self.name = function, name
        self._home, self._first = home, self
        self.waiting, self.running = waiting, running
        self.way, self.special = _way(running), running.at_most_once or running.provider is not None
        self.codec = Codec(name, function)
        self.is_async = is_async(function)
        self.origin = origin(function)
        self._using: Using[P, Any] = Using(self, waiting)
        self._look_like(function)

    def _look_like(self, function: Callable[P, C]) -> None:
        """Have what is asked of a function: see `functools.WRAPPER_ASSIGNMENTS`."""
        self.__wrapped__ = function
        self.__module__ = getattr(function, "__module__", None) or __name__
        self.__qualname__ = getattr(function, "__qualname__", self.name)
        self.__name__ = getattr(function, "__name__", self.name)
        self.__doc__ = getattr(function, "__doc__", None)
        self.__annotations__ = getattr(function, "__annotations__", {})
        if self.is_async:
            _mark_asynchronous(self)

    def __repr__(self) -> str:
        return f"<Task {self.name} on {self.waiting.queue}>"

    def __copy__(self) -> Self:
        return self  # as a function: there is one of it

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> Any:
        """Pickled by reference: the place in its module where the task is. A copy of an app comes back as the first.

        Raises:
            ConfigError: it is at no such place.
        """
        if self._first is not self:
            return _itself, (self._first,)
        found: Any = sys.modules.get(self.__module__)
        names = [self.__qualname__, *(name for name, value in vars(found or object).items() if value is self)]
        for name in names:
            if _at(found, name) is self:
                return name
        raise ConfigError(
            f"task {self.name} cannot be pickled: module {self.__module__} has no such attribute; keep it in a "
            "variable at module level, or send its name"
        )

    @property
    def producer(self) -> Producer:
        """What its messages go through.

        Raises:
            ConfigError: it belongs to a registry, and it is not clear to which app.
        """
        return self._home.producer

    def at(self, home: Home) -> "Task[P, C, T_co]":
        """This task as declared at `home`: itself, or a copy that sends through that."""
        if home is self._home:
            return self
        twin: Task[P, C, T_co] = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._home, twin._using = home, Using(twin, self.waiting)
        return twin

    def like(self, other: "Task[Any, Any, Any]") -> bool:
        """Whether both wait and run alike."""
        return self.waiting == other.waiting and self.running == other.running

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> C:
        """Run it here and now, as the plain function it is."""
        return self.function(*args, **kwargs)

    def messages(self, bodies: Sequence[bytes], chosen: Options) -> list[Message]:
        """Messages of these calls, not yet published; see `Producer.messages`."""
        made = self.producer.messages(self.name, bodies, chosen, self.way)
        return priced(self, made, bodies) if self.running.priced else made

    def using(self: "Task[P, Any, T | Snooze]", **chosen: Unpack[Sends]) -> Using[P, T]:
        """This task with chosen ways to wait and to be sent; see `Sends`.

        Raises:
            ConfigError: a value makes no sense.
        """
        ways, within = apart(chosen)
        return Using(self, options(self.waiting, ways), ways, within)

    def call(self: "Task[P, Any, T | Snooze]", /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """One call as a value, for `enqueue_many` or for later; may be given ways to wait of its own.

        Raises:
            BadArguments: the arguments do not fit the task.
        """
        return self._using.call(*args, **kwargs)

    def handle(self: "Task[P, Any, T | Snooze]", id_: str) -> Handle[T]:
        """The handle of one of this task's messages by its id; its result has the task's type."""
        return Handle(self.producer, named(id_), self)

    @overload
    def enqueue(self: "Task[P, Any, T | Snooze]", /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    def enqueue(self: "Task[P, Any, T | Snooze]", /, *args: Any, in_transaction: Any, **kwargs: Any) -> Handle[T]: ...
    def enqueue(self: "Task[P, Any, T | Snooze]", /, *args: Any, **kwargs: Any) -> Handle[T]:
        """Enqueue one call from synchronous code; durable when this returns.

        With `in_transaction=connection` within the transaction that is open on it, see `Sends`: durable when that is
        committed. (A type checker checks the other arguments in `using(in_transaction=connection).enqueue(...)`.)

        Raises:
            BadArguments: the arguments do not fit the task.
            PayloadTooLarge: they are too large.
            ConfigError: `in_transaction` is no connection with an open transaction.
        """
        return self._using.enqueue(*args, **kwargs)

    @overload
    async def aenqueue(self: "Task[P, Any, T | Snooze]", /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    async def aenqueue(
        self: "Task[P, Any, T | Snooze]", /, *args: Any, in_transaction: Any, **kwargs: Any
    ) -> Handle[T]: ...
    async def aenqueue(self: "Task[P, Any, T | Snooze]", /, *args: Any, **kwargs: Any) -> Handle[T]:
        """`enqueue` for asynchronous code."""
        return await self._using.aenqueue(*args, **kwargs)

    def enqueue_many(
        self: "Task[P, Any, T | Snooze]", calls: Iterable[Sequence[Any] | Call[T]], *, in_transaction: Any = None
    ) -> list[Handle[T]]:
        """Enqueue many calls, thousands to a transaction (on Redis 500): tuples of arguments, or values of `call`.

        The last item of a tuple may be a dict of keyword arguments: it is one if each of its keys names a parameter
        that the items before it leave open.

        Raises:
            BadArguments: the arguments of one do not fit, or it is a call of another task.
        """
        return self._using.enqueue_many(calls, in_transaction=in_transaction)

    async def aenqueue_many(
        self: "Task[P, Any, T | Snooze]", calls: Iterable[Sequence[Any] | Call[T]], *, in_transaction: Any = None
    ) -> list[Handle[T]]:
        """`enqueue_many` for asynchronous code."""
        return await self._using.aenqueue_many(calls, in_transaction=in_transaction)


def _way(running: TaskOptions) -> Way:
    if running.provider is None:
        return (CPU, ()) if running.cpu else MAIN
    return lane_of(running.provider, cpu=running.cpu), (meter_of(running.provider),)


def _itself(task: Task[Any, Any, Any]) -> Task[Any, Any, Any]:
    return task


def _at(module: Any, name: str) -> object:
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _mark_asynchronous(task: Task[Any, Any, Any]) -> None:
    """Have frameworks await a plain call of it: for `inspect` from Python 3.12 on, for `asyncio` before."""
    if sys.version_info >= (3, 12):
        inspect.markcoroutinefunction(task)  # type: ignore[type-var]
    else:
        import asyncio

        task._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]
