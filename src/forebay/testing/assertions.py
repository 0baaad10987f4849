"""What waits: to look at, and to assert. Reads the queues; runs and changes nothing."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from forebay.app import Forebay
from forebay.engine.waiting import drive
from forebay.model.errors import ConfigError
from forebay.model.lifecycle import State
from forebay.observe.view import decoded
from forebay.produce.codec import decode_value, encode_value
from forebay.produce.task import Task
from forebay.store.contract import Query

_MOST = 100_000


class Enqueued(msgspec.Struct, frozen=True, kw_only=True):
    """A message that waits.

    Attributes:
        task: its task's name, or "" for a raw message.
        value: what a raw message holds; of a task's message, its arguments by name.
        due: when it becomes ready, seconds since the epoch; None if it is.
    """

    id: str
    queue: str
    task: str
    value: Any
    state: State
    due: float | None = None
    priority: int = 0
    key: str | None = None
    unique: str | None = None
    expires: float | None = None
    headers: Mapping[str, str]

    def __str__(self) -> str:
        return f"{_call(self.task, self.value) if self.task else repr(self.value)} on {self.queue}"


def enqueued(app: Forebay, what: Task[..., Any, Any] | str | None = None) -> list[Enqueued]:
    """Messages that wait, oldest first.

    Args:
        what: a task, or the name of a queue; all if None.
    """
    task = what.name if isinstance(what, Task) else None
    queue = what if isinstance(what, str) else None
    found = drive(_read(app, Query(queue=queue, task=task, limit=_MOST)))
    return [
        Enqueued(
            id=one.id, queue=one.queue, task=one.task, value=decoded(one.body), state=one.state, due=one.due,
            priority=one.priority, key=one.key, unique=one.unique, expires=one.expires, headers=one.headers or {},
        )
        for one in map(app.producer.revealed, found)
        if one.state is not State.RUNNING
    ]  # fmt: skip


def assert_enqueued(app: Forebay, what: Task[..., Any, Any] | str, *args: Any, **kwargs: Any) -> Enqueued:
    """A waiting message of a task with these arguments, or a raw one in a queue with this value; the oldest.

    What is not named here may be anything: `assert_enqueued(app, send_mail, "a@b.c")` does not care for the subject.

    Raises:
        AssertionError: there is none; says what waits instead.
        ConfigError: the task takes no such argument.
    """
    waiting = enqueued(app, what)
    wanted = _wanted(what, args, kwargs)
    for one in waiting:
        if _fits(one, what, wanted):
            return one
    asked = _call(what.name, wanted) if isinstance(what, Task) else f"{list(args)} on {what}"
    there = "".join(f"\n  {one}" for one in waiting) or " nothing of it"
    raise AssertionError(f"not enqueued: {asked}. There waits{there}")


async def _read(app: Forebay, query: Query) -> list[Any]:
    await app.engine.open()
    return list(await app.store.messages(query))


def _wanted(what: Task[..., Any, Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What is asked for in its form on the wire; a raw value under the name of nothing."""
    if isinstance(what, str):
        if len(args) > 1 or kwargs:
            raise ConfigError("a raw message has one value: assert_enqueued(app, queue, value)")
        return {"": _wire(args[0])} if args else {}
    try:
        given = what.codec.given.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise ConfigError(f"task {what.name}: {error}; it takes {what.codec.given}") from None
    return {name: _wire(value) for name, value in given.arguments.items()}


def _fits(one: Enqueued, what: Task[..., Any, Any] | str, wanted: dict[str, Any]) -> bool:
    if isinstance(what, str):
        return not wanted or one.value == wanted[""]
    value = cast("dict[str, Any]", one.value)
    return all(name in value and value[name] == wanted[name] for name in wanted)


def _wire(value: Any) -> Any:
    return decode_value(encode_value(value))


def _call(name: str, arguments: Any) -> str:
    if not isinstance(arguments, dict):
        return f"{name}({arguments!r})"
    pairs = cast("dict[str, Any]", arguments)
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in pairs.items())})"
