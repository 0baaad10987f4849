"""Looking into objects of libraries that we do not import: attributes, class names, headers.

Nothing here raises, whatever the object does when it is asked, and nothing here reads without a bound.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

#: Headers that are looked at, of one answer; further ones are left alone.
MOST_HEADERS = 500
#: Characters that a header may have; none that says a time is longer.
LONGEST_HEADER = 100

_MRO: Any = type.__dict__["__mro__"]
_NAME: Any = type.__dict__["__name__"]
_MODULE: Any = type.__dict__["__module__"]


def peek(thing: object, name: str) -> Any:
    """An attribute, or None if there is none or it cannot be had."""
    try:
        return getattr(thing, name, None)
    except BaseException:  # noqa: BLE001 - a property of theirs may do anything
        return None


def call(thing: object, name: str) -> Any:
    """What a method without arguments answers, or None."""
    method = peek(thing, name)
    try:
        return method() if callable(method) else None
    except BaseException:  # noqa: BLE001 - theirs again
        return None


def item(thing: Any, *keys: str) -> Any:
    """What stands in nested dicts under these keys, or None."""
    for key in keys:
        thing = thing.get(key) if _is(thing, dict) else None
    return thing


def kinds(error: BaseException) -> tuple[type, ...]:
    """Its class and those above it, whatever a metaclass makes of them."""
    mro: tuple[type, ...] = _MRO.__get__(type(error))
    return mro


def names(error: BaseException) -> frozenset[str]:
    """The names of its classes, without their modules: clients are vendored, renamed and wrapped."""
    return frozenset(_NAME.__get__(kind) for kind in kinds(error))


def listed(thing: Any) -> list[Any]:
    """The first of a list, or of what stands in a dict; none of anything else."""
    several: Any = list(thing.values()) if _is(thing, dict) else thing
    return several[:1000] if _is(several, list) else []


def _is(thing: object, kind: type) -> bool:
    """`isinstance` that leaves type checkers what they know: what is in these containers is anything."""
    return isinstance(thing, kind)


def is_pythons_own(error: BaseException) -> bool:
    """Whether its very class is a builtin."""
    return bool(_MODULE.__get__(type(error)) == "builtins")


def is_a(error: BaseException, *wanted: type) -> bool:
    """`isinstance` that asks the class alone: an object may lie about its class, or raise when asked."""
    return any(kind in wanted for kind in kinds(error))


def text(value: Any) -> str:
    """A short header, or other word, as text; "" if it is none."""
    if (_is(value, list) or _is(value, tuple)) and value:  # several of one name, as some frameworks hold them
        value = value[0]
    if isinstance(value, bytes | bytearray):
        value = value[: LONGEST_HEADER + 1].decode("latin-1")
    if type(value) in {int, float}:
        value = f"{value}"
    return value.strip() if isinstance(value, str) and len(value) <= LONGEST_HEADER else ""


def headers_of(*holders: object) -> dict[str, str]:
    """The headers that the first of these has: names in lower case, values as short text.

    They may be a mapping, a list of pairs, a list of lines or the whole block, as text or as bytes.
    """
    for holder in holders:
        if found := _headers(holder):
            return found
    return {}


def _headers(holder: object) -> dict[str, str]:
    try:
        return dict(_pairs(holder))
    except BaseException:  # noqa: BLE001 - theirs again
        return {}


def _pairs(holder: Any) -> Iterator[tuple[str, str]]:
    if isinstance(holder, bytes | bytearray):
        holder = holder[: MOST_HEADERS * LONGEST_HEADER].decode("latin-1")
    if isinstance(holder, str):
        holder = holder[: MOST_HEADERS * LONGEST_HEADER].splitlines()
    several: Iterable[Any] = holder.items() if hasattr(holder, "items") else holder
    for one in islice(several, MOST_HEADERS):
        name, value = _parted(one)
        if name and value:
            yield name.lower(), value


def _parted(one: Any) -> tuple[str, str]:
    """Name and value of one header: a pair, or a line."""
    if isinstance(one, str | bytes | bytearray):
        name, _, value = text(one).partition(":")
        return name.strip(), value.strip()
    name, value = islice(one, 2)
    return text(name), text(value)
