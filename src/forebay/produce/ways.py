"""Ways for a message to wait: what may be chosen for one, and that it makes sense."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict, cast

import msgspec

from forebay.model.duration import Duration, seconds, span
from forebay.model.errors import ConfigError, encodable
from forebay.model.ids import check_id
from forebay.model.message import MAX_KEY, bears_nul
from forebay.model.options import check_known, misfit
from forebay.model.queue import check_name

#: Characters of a key or `unique`, and of all headers of a message together with these two.
_MAX_WORDS = 16_384
#: What `expires=` says to end with the message of the task that sends; and how it stands in `Options`.
PARENT, AS_PARENT = "parent", -1.0
#: Options that a task has and a message has not; people look for them in `using()`.
OF_TASK = ("retry", "timeout", "grace", "cpu", "at_most_once", "result_ttl", "provider", "provider_key", "cost")
#: What an option is, where its type does not say enough.
_MEANT = {"due": "seconds since the epoch or an aware datetime", "headers": "a dict from str to str"}
#: How the names of our own headers begin.
_OURS = "forebay-"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one message is to wait; see `Task.using`. `due` is seconds since the epoch, `expires` may be `AS_PARENT`."""

    queue: str
    id: str | None = None
    delay: float = 0.0
    due: float | None = None
    priority: int = 0
    key: str | None = None
    unique: str | None = None
    expires: float | None = None
    in_time: bool = False
    headers: dict[str, str] | None = None
    debounce: float = 0.0
    max_wait: float | None = None


class RawWays(TypedDict, total=False):
    """Ways for a message to wait.

    Keys:
        id: an id of your choice, for one message; publishing it again changes nothing, and its handle is of the first.
        delay: from acceptance until it is due.
        due: when it is due: seconds since the epoch, or an aware datetime; wins over `delay`.
        priority: higher runs first; 0 unless given.
        key: the tenant or entity it belongs to.
        unique: while a message with this key waits or runs, another enqueue returns a handle of that one.
        expires: after this time since acceptance it is not started any more; it has to be longer than `delay`.
            "parent": in a task, when the message of the task would not be any more; of one that does not expire, and
            elsewhere, as if it was left out.
        in_time: with `expires`: refuse it at once, with `TooLate`, if it is expected to expire before its turn. Where
            nobody knows when that is, it is taken.
        headers: short strings that travel along.
        debounce: with `unique`: it is due after this time of quiet. While one with that key waits, another takes its
            place, so that the last arguments win; one that runs already is no obstacle.
        max_wait: with `debounce`: it is due after this time since the first one, however many come.
    """

    id: str
    delay: Duration
    due: datetime | float
    priority: int
    key: str
    unique: str
    expires: Duration
    in_time: bool
    headers: Mapping[str, str]
    debounce: Duration
    max_wait: Duration


class Ways(RawWays, total=False):
    """Ways for a task's message to wait: those of `RawWays`, and a queue.

    Keys:
        queue: another queue than the task's own.
    """

    queue: str


class RawSends(RawWays, total=False):
    """Ways for a message to wait, and to be sent.

    Keys:
        in_transaction: a connection to the engine's own database on which a transaction is open: the message is
            published within it, so that it is there if that commits, and was never sent if not.
    """

    in_transaction: Any


class Sends(Ways, total=False):
    """Ways for a task's message to wait, and to be sent.

    Keys:
        in_transaction: see `RawSends`.
    """

    in_transaction: Any


def apart(chosen: RawSends | Sends) -> tuple[RawWays, Any]:
    """How a message waits, and within which transaction it is sent; None for none."""
    ways = cast("dict[str, Any]", dict(chosen))
    within = ways.pop("in_transaction", None)
    return cast("RawWays", ways), within


def options(base: Options, chosen: RawWays, where: str = "using()", form: type = Sends) -> Options:
    """`base` with what was chosen, checked once.

    Args:
        where: whose options these are, for errors.
        form: which ones there are.

    Raises:
        ConfigError: a value makes no sense, or an option is not known.
    """
    check_known(where, chosen, form.__annotations__, {"@app.task(...)": OF_TASK})
    values = _plain(chosen, where)
    try:
        result = msgspec.convert({**msgspec.structs.asdict(base), **values}, Options)
    except (msgspec.ValidationError, UnicodeError) as error:
        raise ConfigError(f"{where}: {misfit(error, values, _MEANT)}") from error
    if result.id is not None:
        check_id(result.id)
    return _checked(result, where)


def _plain(chosen: RawWays, where: str) -> dict[str, Any]:
    """What was chosen: times in seconds, headers in a dict; without what is None."""
    values: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
    for name in ("delay", "expires", "debounce", "max_wait"):
        if name == "expires" and values.get(name) == PARENT:
            values[name] = AS_PARENT
        elif name in values:
            values[name] = seconds(values[name], f"{where}: {name}")
    if isinstance(due := values.get("due"), datetime):
        values["due"] = _moment(due)
    if (headers := values.get("headers")) is not None:
        if not isinstance(headers, Mapping):
            raise ConfigError(f"{where}: headers is {_MEANT['headers']}, not {headers!r:.100}")
        values["headers"] = dict(cast("Mapping[str, str]", headers))
    return values


def _moment(due: datetime) -> float:
    if due.tzinfo is None:
        raise ConfigError("due needs a time zone: datetime.now(UTC) + timedelta(...), or seconds since the epoch")
    return due.timestamp()


def _checked(chosen: Options, where: str) -> Options:
    check_name("queue", chosen.queue)
    for name, text in (("key", chosen.key), ("unique", chosen.unique)):
        if text is not None and not 0 < len(text) <= MAX_KEY:
            raise ConfigError(f"{name} must have 1 to {MAX_KEY} characters, not {len(text)}")
        if text is not None and (fault := bears_nul(text)):
            raise ConfigError(f"{name} {text!r} is not allowed: {fault}")
    _check_words(chosen)
    if chosen.debounce or chosen.max_wait is not None:
        _check_debounce(chosen)
    _check_delay(chosen, where)
    if chosen.in_time and chosen.expires is None:
        raise ConfigError("in_time= refuses what would expire before its turn: give it expires= as well")
    if not -(2**31) <= chosen.priority < 2**31:
        raise ConfigError(f"priority {chosen.priority} is out of range: use -2147483648 to 2147483647")
    if chosen.due is not None and not math.isfinite(chosen.due):
        raise ConfigError(f"due must be seconds since the epoch or an aware datetime, not {chosen.due}")
    return chosen


def _check_delay(chosen: Options, where: str) -> None:
    wait = chosen.debounce or chosen.delay
    if chosen.due is None and wait and chosen.expires is not None and chosen.expires != AS_PARENT:
        check_time(where, wait, chosen.expires, f"expires={chosen.expires:g}")


def check_time(where: str, wait: float, ttl: float, late: str) -> None:
    """Raises ConfigError if what is due in `wait` seconds will have expired; `late` says by what."""
    if wait >= ttl:
        raise ConfigError(
            f"{where}: it is due in {span(wait)}, and expires before that ({late}, from when it is enqueued), "
            "so it would never run: let it expire later, or be due sooner"
        )


def _check_debounce(chosen: Options) -> None:
    if not chosen.debounce:
        raise ConfigError("max_wait= is the longest time that debounce= puts a message off: give it debounce= as well")
    if chosen.unique is None:
        raise ConfigError("debounce= needs unique=, the key of the messages that stand for each other")
    if chosen.id is not None or chosen.delay or chosen.due is not None:
        raise ConfigError("debounce= says when a message is due and which one it is: leave out id=, delay= and due=")
    if chosen.max_wait is not None and chosen.max_wait < chosen.debounce:
        raise ConfigError(f"max_wait={chosen.max_wait:g} is shorter than debounce={chosen.debounce:g}")


def _check_words(chosen: Options) -> None:
    headers = chosen.headers or {}
    words = (chosen.key or "", chosen.unique or "", *(word for pair in headers.items() for word in pair))
    for word in words:
        if encodable(word) != word:
            raise ConfigError(f"{word[:MAX_KEY]!r} is no text that can be sent: it holds half of a surrogate pair")
    if taken := [name for name in headers if name.startswith(_OURS)]:
        raise ConfigError(f"header {taken[0][:MAX_KEY]!r} is not allowed: names that begin with {_OURS!r} are taken")
    if (size := sum(map(len, words))) > _MAX_WORDS:
        raise ConfigError(f"headers of {size:,} characters are too long, {_MAX_WORDS:,} is the most: use the arguments")
