"""Instances of classes as Python's own values, one level deep: what they hold, whatever their serializers would say.

Knows no annotation and makes nothing of a value again: that is for `kinds` and the decoders.
"""

import ipaddress
import sys
from collections import deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any
from uuid import UUID

import msgspec

from forebay.model.zone import zone
from forebay.produce import models
from forebay.produce.models import NOTHING
from forebay.produce.records import field_names

_SCALARS = (bool, int, float)


def _datetime(value: datetime) -> datetime:
    parts = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    return datetime(*parts, tzinfo=value.tzinfo, fold=value.fold)


def _time(value: time) -> time:
    return time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)


def _bytes(value: bytes) -> bytes:
    return b"".join((value,))


def _tuple(value: Any) -> Any:
    kind: Any = tuple
    return kind.__getitem__(value, slice(None))


def _list(value: Any) -> Any:
    return list[Any].copy(value)


def _dict(value: Any) -> Any:
    return dict[Any, Any].copy(value)


def _set(value: Any) -> Any:
    return set[Any]().union(value)


def _frozenset(value: Any) -> Any:
    return frozenset[Any]().union(value)


def _date(value: date) -> date:
    return date(value.year, value.month, value.day)


def _timedelta(value: timedelta) -> timedelta:
    return timedelta(value.days, value.seconds, value.microseconds)


def _uuid(value: UUID) -> UUID:
    return UUID(int=value.int)


#: Python's own types, each before what it is a subclass of, and how to take a subclass for one: by the methods of the
#: base, for the subclass may have changed its own.
_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, str.__str__), (int, int.__int__), (float, float.__float__),
    (bytes, _bytes), (bytearray, bytes), (memoryview, bytes),
    (tuple, _tuple), (list, _list), (dict, _dict), (set, _set), (frozenset, _frozenset),
    (datetime, _datetime), (date, _date), (time, _time), (timedelta, _timedelta), (Decimal, Decimal), (UUID, _uuid),
)  # fmt: skip
_TEXTS: tuple[type, ...] = (
    PurePath,
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)


def texts() -> tuple[type, ...]:
    """What is written as a text that its class takes."""
    zone_info = _zone_info()
    return _TEXTS if zone_info is None else (*_TEXTS, zone_info)


def _zone_info() -> type | None:
    """The class of zones; nobody has one who has not imported where it comes from."""
    return getattr(sys.modules.get("zoneinfo"), "ZoneInfo", None)


def base_of(value: Any, otherwise: Any = None) -> Any:
    """A value of Python's own type out of one of a subclass, or a number of numpy; `otherwise` for all the rest."""
    for base, convert in _BASES:
        if isinstance(value, base):
            return convert(value)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.bool_ | numpy.integer | numpy.floating):
        number = value.item()
        return number if type(number) in _SCALARS else otherwise
    return otherwise


def plainly(value: Any, *, whole: bool = False) -> Any:
    """What an instance holds, in a form that its class can be made from again; one level, so it may hold anything.

    Args:
        whole: with the fields of a pydantic model that nobody set, which are left out otherwise.

    Raises:
        TypeError: it has no such form.
    """
    for form in (base_of(value, NOTHING), models.plainly(value, whole=whole), _of_class(value)):
        if form is not NOTHING:
            return form
    raise TypeError(f"{type(value).__name__} cannot be sent: use plain data, a Struct, a dataclass or a pydantic model")


def _of_class(value: object) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, msgspec.Struct):
        return _struct(value)
    if (names := field_names(type(value))) is not None:
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    if isinstance(value, texts()):
        return str(value)
    return _items(value) if isinstance(value, deque) else NOTHING


def _items(value: Any) -> list[Any]:
    return [*value]


def _struct(value: msgspec.Struct) -> Any:
    config = value.__struct_config__
    values = [getattr(value, name) for name in value.__struct_fields__]
    if config.array_like:
        return values if config.tag is None else [config.tag, *values]
    named = {n: v for n, v in zip(value.__struct_encode_fields__, values, strict=True) if v is not msgspec.UNSET}
    return named if config.tag is None else {config.tag_field: config.tag, **named}


def again(kind: type, base: type) -> Callable[[Any], Any]:
    """A function that makes a value of `kind` out of one of `base`, which it is written as."""
    made: Callable[[Any], Any] = zone if kind is _zone_info() else kind  # which says what to do if it is not known

    def maker(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if type(value) is not base:
            raise TypeError(f"Expected `{base.__name__}`, got `{type(value).__name__}`")
        return made(value)

    return maker
