"""A message as its producer makes it. Durations are relative: the store's clock turns them into times."""

import math
from typing import Any

import msgspec

from forebay.model.errors import ConfigError

#: Characters that a key, or a unique key, may have.
MAX_KEY = 512
#: What a count may be at the most.
_MOST = 2**31 - 1
#: The lane of tasks that need a process of their own, so that others do not wait behind them.
CPU = "cpu"
#: The header of a message that a running task has made: the id of that task's message.
PARENT = "forebay-parent"


def bears_nul(text: str) -> str | None:
    """What is wrong with a text that any engine has to keep as text; None if nothing is. PostgreSQL keeps no NUL."""
    return "it holds a NUL character, which not every engine can store: leave it out" if "\0" in text else None


class Failure(msgspec.Struct, frozen=True, gc=False):
    """An exception as data: never rebuilt into a live exception from stored text."""

    type: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class Carried(msgspec.Struct, frozen=True, gc=False):
    """What a message has been through elsewhere; kept as if it had happened here.

    Attributes:
        attempt: attempts so far.
        lost: workers lost under it.
        created: when it was first accepted, seconds since the epoch; None for now.
        failure: the newest.

    Raises:
        ConfigError: nothing can have been through that.
    """

    attempt: int = 0
    lost: int = 0
    created: float | None = None
    failure: Failure | None = None

    def __post_init__(self) -> None:
        for name, value in (("attempt", self.attempt), ("lost", self.lost)):
            if type(value) is not int or not 0 <= value <= _MOST:
                raise ConfigError(f"carried: {name} counts from 0 to {_MOST:,}, and is not {value!r:.50}")
        created: Any = self.created
        failure: Any = self.failure
        if created is not None and not (isinstance(created, int | float) and 0 <= created < math.inf):
            raise ConfigError(f"carried: created is seconds since the epoch, and is not {created!r:.50}")
        if not isinstance(failure, Failure | None):
            raise ConfigError(f"carried: failure is a Failure, and is not {failure!r:.50}")


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One unit of work or data.

    Attributes:
        id: chosen by the producer, so that a retried publish is a duplicate and not a second message; see `model.ids`.
        queue: the queue it waits in.
        task: the task it names, or `""` for a raw message to a consumer.
        body: MessagePack.
        headers: short strings that travel along (lineage, tracing).
        key: the tenant or entity it belongs to.
        priority: higher runs first; 0 is usual.
        lane: the part of the queue it waits in, `""` for the main one, `CPU` for tasks in processes of their own.
        delay: seconds from acceptance until it is due.
        due: a fixed time to be due (seconds since the epoch); wins over `delay`.
        ttl: seconds from acceptance after which it is no longer worth starting.
        unique: while a message with this key waits or runs, another one is a duplicate.
        debounce: with `unique`: seconds of quiet before it is due. While a message of this queue and task with that key
            waits, another one takes its place in the line: body, headers and time to live of the newest, due `debounce`
            seconds from now.
        max_wait: with `debounce`: never due later than this many seconds after the first of them was accepted.
        meters: names of further meters that it passes (`model.meter`); it passes at most four in all.
        cost: how much it takes from the rate of each meter; 0 takes nothing, and waits its turn like all others.
        carried: its history, if it comes from somewhere else; None for one that begins here.
    """

    id: str
    queue: str
    task: str = ""
    body: bytes = b""
    headers: dict[str, str] | None = None
    key: str | None = None
    priority: int = 0
    lane: str = ""
    delay: float = 0.0
    due: float | None = None
    ttl: float | None = None
    unique: str | None = None
    debounce: float = 0.0
    max_wait: float | None = None
    meters: tuple[str, ...] = ()
    cost: float = 1.0
    carried: Carried | None = None


def born(message: Message, now: float) -> float:
    """When a message that is accepted `now` was first accepted anywhere; never later than now."""
    carried = message.carried
    return now if carried is None or carried.created is None else min(carried.created, now)


def start(message: Message, now: float) -> float:
    """When a message that is accepted `now` is due; a time that is not in the future means at once."""
    if message.unique is not None and message.debounce > 0:
        return quiet(message, now, now)
    return message.due if message.due is not None else now + message.delay


def quiet(message: Message, since: float, now: float) -> float:
    """When a debounced message is due that comes `now`, the first of its kind having come at `since`."""
    due = now + message.debounce
    return due if message.max_wait is None else min(due, since + message.max_wait)
