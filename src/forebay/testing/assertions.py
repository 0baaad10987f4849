"""What waits: to look at, and to assert. Reads the queues; runs and changes nothing."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from forebay.app import Forebay
from forebay.engine.waiting import drive
from forebay.model.errors import BadArguments, ConfigError
from forebay.model.lifecycle import State
from forebay.observe.view import decoded
from forebay.produce.codec import decode_value, encode_value
from forebay.produce.same import agree
from forebay.produce.task import Task
from forebay.store.records import Found, Query

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

    Raises:
        ConfigError: the task is another app's.
    """
    return [_enqueued(one) for one in _waiting(app, what)]


def assert_enqueued(app: Forebay, what: Task[..., Any, Any] | str, *args: Any, **kwargs: Any) -> Enqueued:
    """A waiting message of a task with these arguments, or a raw one in a queue with this value; the oldest.

    What is not named here may be anything: `assert_enqueued(app, send_mail, "a@b.c")` does not care for the subject.

    Raises:
        AssertionError: there is none; says what waits instead.
        ConfigError: the task takes no such argument, or is another app's.
        BadArguments: an argument could never be sent.
    """
    waiting = _waiting(app, what)
    given = _given(what, args, kwargs)
    wanted = {name: _received(what, name, value) for name, value in given.items()}
    for one in waiting:
        if _fits(one, what, wanted):
            return _enqueued(one)
    asked = (
        _call(what.name, given)
        if isinstance(what, Task)
        else f"{args[0]!r} on queue {what}"
        if args
        else f"anything on queue {what}"
    )
    there = "".join(f"\n  {_enqueued(one)}" for one in waiting) or " nothing of it"
    raise AssertionError(f"not enqueued: {asked}. There waits{there}")


def _waiting(app: Forebay, what: Task[..., Any, Any] | str | None) -> list[Found]:
    task = what.name if isinstance(what, Task) else None
    if task is not None and task not in app.registry.tasks:
        raise ConfigError(
            f"task {task} is none of {app!r}, and what it sends goes elsewhere: look into the app that it was declared "
            'with; for the fixture forebay_app, name that in pytest\'s configuration: forebay_app = "module:app"'
        )
    queue = what if isinstance(what, str) else None
    found = drive(_read(app, Query(queue=queue, task=task, limit=_MOST)))
    return [app.producer.revealed(one) for one in found if one.state is not State.RUNNING]


async def _read(app: Forebay, query: Query) -> list[Found]:
    await app.engine.open()
    return list(await app.store.messages(query))


def _enqueued(one: Found) -> Enqueued:
    return Enqueued(
        id=one.id, queue=one.queue, task=one.task, value=decoded(one.body), state=one.state, due=one.due,
        priority=one.priority, key=one.key, unique=one.unique, expires=one.expires, headers=one.headers or {},
    )  # fmt: skip


def _given(what: Task[..., Any, Any] | str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What is asked for, by name; a raw value under the name of nothing."""
    if isinstance(what, str):
        if len(args) > 1 or kwargs:
            raise ConfigError("a raw message has one value: assert_enqueued(app, queue, value)")
        return {"": args[0]} if args else {}
    try:
        return what.codec.given.bind_partial(*args, **kwargs).arguments
    except TypeError as error:
        raise ConfigError(f"task {what.name}: {error}; it takes {what.codec.given}") from None


def _received(what: Task[..., Any, Any] | str, name: str, value: Any) -> Any:
    """A value as it would arrive."""
    return decode_value(encode_value(value)) if isinstance(what, str) else what.codec.received(name, value)


def _fits(one: Found, what: Task[..., Any, Any] | str, wanted: dict[str, Any]) -> bool:
    if not wanted:
        return True
    try:
        arrived = {"": decode_value(one.body or b"")} if isinstance(what, str) else what.codec.named(one.body or b"")
    except BadArguments:
        return False
    return all(name in arrived and agree(wanted[name], arrived[name]) for name in wanted)


def _call(name: str, arguments: Any) -> str:
    if not isinstance(arguments, dict):
        return f"{name}({arguments!r})"
    pairs = cast("dict[str, Any]", arguments)
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in pairs.items())})"
