"""The bounds of a queue as they are written in code: rates such as "50/s", numbers of slots, and what goes together."""

import math
import re
from collections.abc import Mapping
from typing import TypedDict, cast

from forebay.model.duration import Duration, seconds
from forebay.model.errors import ConfigError
from forebay.model.message import MAX_KEY, bears_nul
from forebay.model.options import check_known
from forebay.model.queue import PATIENCE, OnFull

#: Messages a second, or text such as "50/s", "100/m", "1000/h", "5/d".
Rate = float | str

_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_RATE = re.compile(r"\s*(\d+(?:_\d+)*(?:\.\d+)?)\s*/\s*(?:(s|m|h|d)|(sec|second|min|minute|hour|day))\s*")
#: The largest that an engine counts; and the most messages a second that a rate may say.
_MOST, _FASTEST = 2**31 - 1, 1e6
#: The most bytes that a queue may be said to hold: what a float still counts, as Lua has no other number.
_LARGEST = 2**53 - 1
_ON_FULL: tuple[OnFull, ...] = ("reject", "wait", "shed_oldest", "spill")
#: Keys that may have a weight, and the least that it may be; the most is as many times 1.
_MOST_WEIGHTS, _LIGHT = 10_000, 0.001
#: The slowest rate: one in a year.
_SLOWEST = 1 / (366 * 86_400)


class QueueWays(TypedDict, total=False):
    """Options of `app.queue` that bound what starts from it, over all workers.

    Attributes:
        rate: messages that may start: "50/s", "100/m", "1000/h", "5/d", or a number a second.
        burst: how many of them may start at once after a quiet time; about a tenth of a second's worth, or one, if not
            given.
        concurrency: how many may run at a time.
        key_rate, key_burst, key_concurrency: likewise, of each key by itself; messages without a key are not bound.
        ordered: messages of one key run one after another, by priority, then in order of acceptance; one that is tried
            again keeps its place, and the others of its key wait for it.
        lifo: the newest first: of one priority the message that was accepted last starts first.
        fair: keys share the workers by run time, whoever sends more; messages without a key do so by their task. One
            that is alone has nearly all workers, beside others its share, and slow ones leave room for the others.
        weights: with fair, keys that get more or less than others: {"gold": 3} gets three times as much.
        limit: how many may wait in it, ready or scheduled. Running ones do not count.
        limit_bytes: how many bytes the bodies of what waits may have together; alone, or beside `limit`.
        limit_age: nothing more is taken in while the oldest ready one has waited longer than this.
        on_full: what becomes of one more: "reject" raises `QueueFull` at once, and is what happens if you do not say;
            "wait" waits for room, and raises `QueueFull` if there is none within `full_wait`; "shed_oldest" takes it
            in, and ends the oldest that wait as discarded; "spill" puts it into a file beside the app
            (`Settings.outbox`), from which it is brought to the queue, in order, as there is room.
        full_wait: how long a producer waits for room with "wait"; 30 s if not given.
        reserve: share of the limit, such as 0.2, that is kept for messages of a priority above 0: others find the queue
            full that much earlier.
        mark: when so many wait, tasks whose messages are put into this queue are not started until fewer do. A queue
            with a limit has its limit for that.
        mark_age: likewise, when the oldest has waited that long.
    """

    rate: Rate | None
    burst: float | None
    concurrency: int | None
    key_rate: Rate | None
    key_burst: float | None
    key_concurrency: int | None
    ordered: bool
    lifo: bool
    fair: bool
    weights: Mapping[str, float] | None
    limit: int | None
    limit_bytes: int | None
    limit_age: Duration | None
    on_full: OnFull | None
    full_wait: Duration | None
    reserve: float | None
    mark: int | None
    mark_age: Duration | None


class Bounds(TypedDict):
    """The same, as `model.queue.QueueSpec` has them."""

    rate: float | None
    burst: float | None
    concurrency: int | None
    key_rate: float | None
    key_burst: float | None
    key_concurrency: int | None
    ordered: bool
    lifo: bool
    fair: bool
    weights: tuple[tuple[str, float], ...]
    limit: int | None
    limit_bytes: int | None
    limit_age: float | None
    on_full: OnFull | None
    full_wait: float | None
    reserve: float | None
    mark: int | None
    mark_age: float | None


def per_second(value: object, what: str) -> float | None:
    """A rate in messages a second.

    Raises:
        ConfigError: it is none.
    """
    if value is None:
        return None
    number = value
    if isinstance(value, str):
        match = _RATE.fullmatch(value)
        number = float(match[1].replace("_", "")) / _SECONDS[match[2] or match[3][0]] if match else None
    if isinstance(number, bool) or not isinstance(number, int | float) or not _SLOWEST <= number <= _FASTEST:
        raise ConfigError(
            f"{what} {value!r} is not a rate: write messages per time, such as '50/s', '100/m', '1000/h' or '5/d', or "
            f"a number a second, from one a year to {_FASTEST:,.0f} a second"
        )
    return float(number)


def bounds(where: str, ways: QueueWays) -> Bounds:
    """Options of a queue, checked.

    Raises:
        ConfigError: one of them is not usable, or could have no effect beside the others.
    """
    check_known(where, ways, ["name", "ttl", *QueueWays.__annotations__])
    made = Bounds(
        rate=per_second(ways.get("rate"), f"{where}: rate"),
        burst=_burst(f"{where}: burst", ways.get("burst")),
        concurrency=_slots(f"{where}: concurrency", ways.get("concurrency")),
        key_rate=per_second(ways.get("key_rate"), f"{where}: key_rate"),
        key_burst=_burst(f"{where}: key_burst", ways.get("key_burst")),
        key_concurrency=_slots(f"{where}: key_concurrency", ways.get("key_concurrency")),
        ordered=_switch(where, "ordered", ways.get("ordered", False)),
        lifo=_switch(where, "lifo", ways.get("lifo", False)),
        fair=_switch(where, "fair", ways.get("fair", False)),
        weights=_weights(where, ways),
        limit=_count(f"{where}: limit", ways.get("limit"), "how many messages may wait"),
        limit_bytes=_count(
            f"{where}: limit_bytes", ways.get("limit_bytes"), "bytes that the bodies of what waits may have", _LARGEST
        ),
        limit_age=_age(f"{where}: limit_age", ways.get("limit_age"), "with that nothing would be taken in"),
        on_full=_on_full(where, ways),
        full_wait=_full_wait(where, ways),
        reserve=_reserve(where, ways),
        mark=_count(f"{where}: mark", ways.get("mark"), "how many wait until whoever feeds it is held"),
        mark_age=_age(f"{where}: mark_age", ways.get("mark_age"), "with that whoever feeds it would always be held"),
    )
    _check_together(where, made)
    return made


def _check_together(where: str, made: Bounds) -> None:
    """Raises ConfigError for what could have no effect beside the others."""
    for name, mark, limit in (
        ("mark", made["mark"], made["limit"]),
        ("mark_age", made["mark_age"], made["limit_age"]),
    ):
        if mark is not None and limit is not None and mark > limit:
            raise ConfigError(
                f"{where}: {name} is where those who feed it are held, and from {name.replace('mark', 'limit')}= on "
                "they are held anyway: make it smaller, or leave it out"
            )
    if made["burst"] is not None and made["rate"] is None:
        raise ConfigError(
            f"{where}: burst is how many may start at once within a rate, and there is none: give it rate="
        )
    if made["key_burst"] is not None and made["key_rate"] is None:
        raise ConfigError(f"{where}: key_burst goes with a rate of each key, and there is none: give it key_rate=")
    if made["ordered"] and made["key_concurrency"] not in (None, 1):
        raise ConfigError(
            f"{where}: ordered runs one message of a key at a time: leave out key_concurrency= or ordered=True"
        )
    if made["ordered"] and made["lifo"]:
        raise ConfigError(
            f"{where}: ordered runs the messages of a key as they were accepted, and lifo the newest first: leave out "
            "one of them"
        )


def _switch(where: str, name: str, value: object) -> bool:
    if type(value) is not bool:
        raise ConfigError(f"{where}: {name} must be True or False, not {value!r}")
    return value


def _weights(where: str, ways: QueueWays) -> tuple[tuple[str, float], ...]:
    given = cast("object", ways.get("weights"))
    if given is None:
        return ()
    if not ways.get("fair"):
        raise ConfigError(f"{where}: weights say how keys share the workers: give it fair=True as well")
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: weights is a dict from keys to numbers, such as {{'gold': 3}}, not {given!r:.50}")
    pairs = cast("Mapping[object, object]", given)
    if len(pairs) > _MOST_WEIGHTS:
        raise ConfigError(f"{where}: weights may name {_MOST_WEIGHTS:,} keys at the most, not {len(pairs):,}")
    return tuple(sorted(_weight(where, key, value) for key, value in pairs.items()))


def _weight(where: str, key: object, value: object) -> tuple[str, float]:
    if not isinstance(key, str) or not 1 <= len(key) <= MAX_KEY:
        raise ConfigError(f"{where}: weights go by key, a str of 1 to {MAX_KEY} characters, not {key!r:.50}")
    if fault := bears_nul(key):
        raise ConfigError(f"{where}: weights: the key {key!r:.50} is not allowed: {fault}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not _LIGHT <= value <= 1 / _LIGHT:
        raise ConfigError(
            f"{where}: the weight of {key!r:.50} is a number from {_LIGHT:g} to {1 / _LIGHT:g}, not {value!r:.50}"
        )
    return key, float(value)


def _count(what: str, value: object, means: str, most: int = _MOST) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= most:
        raise ConfigError(f"{what} is {means}: a whole number from 1 to {most:,}, not {value!r:.50}")
    return value


def _on_full(where: str, ways: QueueWays) -> OnFull | None:
    chosen = ways.get("on_full")
    if chosen is not None and chosen not in _ON_FULL:
        known = " or ".join(repr(name) for name in _ON_FULL)
        raise ConfigError(f"{where}: on_full must be {known}, not {chosen!r:.50}")
    limited = any(ways.get(name) is not None for name in ("limit", "limit_bytes", "limit_age"))
    if chosen == "shed_oldest" and ways.get("limit_age") is not None:
        raise ConfigError(
            f"{where}: shed_oldest keeps a number of messages or bytes, and limit_age is a time: use ttl= for that"
        )
    if chosen is not None and not limited:
        raise ConfigError(
            f"{where}: on_full says what happens at a limit, and there is none: give it limit=, limit_bytes= or "
            "limit_age="
        )
    return (chosen or "reject") if limited else None


def _age(what: str, value: Duration | None, otherwise: str) -> float | None:
    if value is None:
        return None
    age = seconds(value, what)
    if not age:
        raise ConfigError(f"{what} must be more than 0: {otherwise}")
    return age


def _full_wait(where: str, ways: QueueWays) -> float | None:
    chosen = ways.get("full_wait")
    if ways.get("on_full") == "wait":
        return PATIENCE if chosen is None else seconds(chosen, f"{where}: full_wait")
    if chosen is not None:
        raise ConfigError(f'{where}: full_wait is how long a producer waits for room: give it on_full="wait" as well')
    return None


def _reserve(where: str, ways: QueueWays) -> float | None:
    share = cast("object", ways.get("reserve"))
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise ConfigError(
            f"{where}: reserve is the share of the limit that is kept for messages of a priority above 0: a number "
            f"between 0 and 1, such as 0.2, not {share!r:.50}"
        )
    if (limit := ways.get("limit")) is None or limit == 1:
        few = "there is none: give it limit=" if limit is None else "limit=1 cannot be shared: raise it"
        raise ConfigError(f"{where}: reserve is a share of a limit, and {few}")
    if (on_full := ways.get("on_full")) in ("shed_oldest", "spill"):
        raise ConfigError(f"{where}: reserve says who is refused first, and {on_full} refuses nobody: leave out one")
    return float(share)


def _slots(what: str, value: object) -> int | None:
    if value is None:
        return None
    if type(value) is not int or not 1 <= value <= _MOST:
        raise ConfigError(f"{what} is how many may run at a time: a whole number from 1, not {value!r}")
    return value


def _burst(what: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < math.inf:
        raise ConfigError(f"{what} is how many may start at once: a number from 1, not {value!r}")
    if value > _MOST:
        raise ConfigError(f"{what} must be at most {_MOST:,}, not {value!r}")
    return float(value)
