"""Calls of a task on their way to a queue: with chosen ways to wait (`Using`), as values (`Call`), one or many."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, cast, overload

from forebay.engine.waiting import drive
from forebay.flow.snooze import Snooze
from forebay.model.errors import BadArguments, ConfigError
from forebay.produce.handle import Handle, told
from forebay.produce.ways import Options, RawWays, Ways, options

if TYPE_CHECKING:
    from forebay.produce.task import Task

P = ParamSpec("P")
T = TypeVar("T")

#: Messages that one transaction of `enqueue_many` carries.
CHUNK = 5_000


class Call(Generic[T]):
    """One call of a task as a value: its arguments, checked and encoded, and its own ways to wait.

    Made by `task.call(…)`. Nothing is sent before `enqueue`, or `enqueue_many` of the task.
    """

    __slots__ = ("body", "task", "ways")

    def __init__(self, task: "Task[Any, Any, T | Snooze]", body: bytes, ways: RawWays | None = None) -> None:
        self.task, self.body, self.ways = task, body, ways or RawWays()

    def __repr__(self) -> str:
        return f"<Call of {self.task.name}, {len(self.body):,} bytes>"

    def using(self, **chosen: Unpack[Ways]) -> "Call[T]":
        """This call with other ways to wait; see `Ways`. Those that it had and that are not named stay.

        Raises:
            ConfigError: a value makes no sense.
        """
        ways = cast("RawWays", {**self.ways, **chosen})
        options(self.task.waiting, ways)
        return Call(self.task, self.body, ways)

    def enqueue(self, *, in_transaction: Any = None) -> Handle[T]:
        """Enqueue it from synchronous code; durable when this returns. It may be enqueued again, as another message.

        Args:
            in_transaction: see `Sends`.

        Raises:
            PayloadTooLarge: its arguments are too large.
        """
        return drive(self.aenqueue(in_transaction=in_transaction))

    async def aenqueue(self, *, in_transaction: Any = None) -> Handle[T]:
        """`enqueue` for asynchronous code."""
        return (await publish(self.task, self.task.waiting, [self], in_transaction))[0]


class Using(Generic[P, T]):
    """A task with chosen ways to wait; made by `Task.using`."""

    __slots__ = ("_chosen", "_task", "_ways", "_within")

    def __init__(
        self, task: "Task[P, Any, T | Snooze]", chosen: Options, ways: RawWays | None = None, within: Any = None
    ) -> None:
        self._task, self._chosen, self._ways, self._within = task, chosen, ways or RawWays(), within

    def __repr__(self) -> str:
        return f"<{self._task.name} using {', '.join(self._ways) or 'its own ways'}>"

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[T]:
        """One call as a value, with these ways to wait.

        Raises:
            BadArguments: the arguments do not fit the task.
            ConfigError: a transaction was chosen as well, which a call does not keep.
        """
        if self._within is not None:
            raise ConfigError("a call is for later: give in_transaction= to its enqueue(), or to enqueue_many()")
        return Call(self._task, self._task.codec.encode(args, kwargs), self._ways)

    @overload
    async def aenqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    async def aenqueue(self, /, *args: Any, in_transaction: Any, **kwargs: Any) -> Handle[T]: ...
    async def aenqueue(self, /, *args: Any, in_transaction: Any = None, **kwargs: Any) -> Handle[T]:
        """Enqueue one call; durable when this returns.

        Raises:
            BadArguments: the arguments do not fit the task.
            PayloadTooLarge: they are too large.
            ConfigError: `in_transaction` is no connection with an open transaction.
        """
        task, within = self._task, self._within if in_transaction is None else in_transaction
        producer = task.producer
        if self._chosen.in_time:
            await producer.in_time(task.name, self._chosen, task.way)
        messages = task.messages([task.codec.encode(args, kwargs)], self._chosen)
        return told(producer, await producer.publish(messages, within), task, within=within)[0]

    @overload
    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Handle[T]: ...
    @overload
    def enqueue(self, /, *args: Any, in_transaction: Any, **kwargs: Any) -> Handle[T]: ...
    def enqueue(self, /, *args: Any, **kwargs: Any) -> Handle[T]:
        """`aenqueue` for synchronous code."""
        return drive(self.aenqueue(*args, **kwargs))

    async def aenqueue_many(
        self, calls: "Iterable[Sequence[Any] | Call[T]]", *, in_transaction: Any = None
    ) -> list[Handle[T]]:
        """Enqueue many calls, in order, thousands to a transaction. See `Task.enqueue_many` for their form."""
        several(calls, f"task {self._task.name}: enqueue_many takes a list of calls, such as [(1,), (2,)]")
        within = self._within if in_transaction is None else in_transaction
        handles: list[Handle[T]] = []
        chunk: list[bytes | Call[T]] = []
        task, encode = self._task, self._task.codec.encode
        for call in calls:
            chunk.append(_meant(task, call) if isinstance(call, Call) else encode(*split(task, call)))
            if len(chunk) == CHUNK:
                handles += await publish(task, self._chosen, chunk, within)
                chunk = []
        return handles + await publish(task, self._chosen, chunk, within)

    def enqueue_many(
        self, calls: "Iterable[Sequence[Any] | Call[T]]", *, in_transaction: Any = None
    ) -> list[Handle[T]]:
        """`aenqueue_many` for synchronous code."""
        return drive(self.aenqueue_many(calls, in_transaction=in_transaction))


def several(many: object, hint: str) -> None:
    """That it is a list, or its like: a text or a dict has parts as well, and one message for each is not meant.

    Raises:
        BadArguments: it is none, with what to write instead.
    """
    if isinstance(many, str | bytes | bytearray | Mapping) or not isinstance(many, Iterable):
        raise BadArguments(f"{hint}; not {many!r:.100}")


def _meant(task: "Task[Any, Any, T | Snooze]", call: "Call[T]") -> "Call[T]":
    """A call, if it is one of this task."""
    if call.task.function is not task.function:
        raise BadArguments(f"task {task.name}: a call of task {call.task.name} is among its calls")
    return call


def split(task: "Task[Any, Any, Any]", call: Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Positional and keyword arguments from one tuple of `enqueue_many`.

    Raises:
        BadArguments: it is no tuple.
    """
    if not isinstance(call, tuple | list):
        raise BadArguments(
            f"task {task.name}: each call is a tuple of arguments or a task.call(...), not {type(call).__name__}"
        )
    if call and isinstance(call[-1], dict):
        named = cast("dict[str, Any]", call[-1])
        if named and task.codec.open_after(len(call) - 1).issuperset(named):
            return call[:-1], named
    return call, {}


async def publish(
    task: "Task[Any, Any, T | Snooze]", chosen: Options, calls: "Sequence[bytes | Call[T]]", within: Any = None
) -> list[Handle[T]]:
    """Publish calls of one task in one transaction; those with ways of their own keep them.

    Args:
        within: the caller's own transaction, see `Sends`.
    """
    producer, way = task.producer, task.way
    values = [call for call in calls if isinstance(call, Call)]
    for one in {id(one): one for one in [chosen, *(_own(chosen, call) for call in values)] if one.in_time}.values():
        await producer.in_time(task.name, one, way, len(calls))
    if any(call.ways for call in values):
        messages = [one for call in calls for one in task.messages([_body(call)], _own(chosen, call))]
    else:
        bodies = [_body(call) for call in calls] if values else cast("Sequence[bytes]", calls)
        messages = task.messages(bodies, chosen)
    receipts = await producer.publish(messages, within)
    return told(producer, receipts, task, within=within)


def _body(call: bytes | Call[Any]) -> bytes:
    return call.body if isinstance(call, Call) else call


def _own(chosen: Options, call: bytes | Call[Any]) -> Options:
    return options(chosen, call.ways) if isinstance(call, Call) and call.ways else chosen
