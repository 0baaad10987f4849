"""Whether what arrived is what was sent: the one comparison behind every promise about values. Pure.

The rule: what has one of Python's own types arrives equal and of that type, where no annotation names another one. A
subclass of them is taken for its base. What an annotation names arrives as that, with equal contents, field by field; a
value in its plain form, such as a text for a date, counts as what the annotation makes of it.
"""

import operator
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import NoneType
from typing import Any
from uuid import UUID

from forebay.model.wire import EXACT, is_zone_info
from forebay.produce import models
from forebay.produce.plain import base_of, plainly
from forebay.produce.records import field_names

_NOTHING: Any = object()
_LONGEST = 100  # characters of a key in a message
#: What JSON and MessagePack have: everybody writes the plain form of other kinds in these.
_WIRE: frozenset[type] = frozenset({NoneType, bool, int, float, str, bytes, list, dict})
_SETS: tuple[Any, ...] = (set, frozenset)
_SERIES: tuple[Any, ...] = (list, tuple, *_SETS)


class DiffersError(ValueError):
    """Something would arrive changed; says where and what."""


class Comparison:
    """Compares by one set of rules.

    Args:
        trusted: classes of whose instances nothing gets lost.
        rivals: types that an annotation offers beside each other: a value of the first is not meant as the second.
        exact: the bytes tell tuples, sets and lists apart, so that another kind of series is the annotation's doing.
        plain: an instance may arrive in its plain form, where no annotation names its class.
    """

    def __init__(
        self, trusted: set[type], *, exact: bool, plain: bool, rivals: Collection[tuple[type, type]] = ()
    ) -> None:
        self._trusted, self._exact, self._plain, self._rivals = trusted, exact, plain, rivals
        self._ways: dict[type, Callable[[Any, Any, str], None]] = {
            dict: self._mapping, list: self._series, tuple: self._series, set: self._set, frozenset: self._set,
        }  # fmt: skip

    def look(self, sent: object, arrived: object, path: str) -> None:
        """Compare two values.

        Raises:
            DiffersError: they are not the same.
        """
        kind = type(sent)
        if kind is not type(arrived):
            self._other_kind(sent, arrived, path)
        elif kind in self._trusted:
            pass
        elif (alike := _ALIKE.get(kind)) is not None:
            _claim(alike(sent, arrived), kind, path)
        else:
            self._ways.get(kind, self._instance)(sent, arrived, path)

    def _mapping(self, sent: Mapping[Any, Any], arrived: Mapping[Any, Any], path: str) -> None:
        lost = next((key for key in sent if key not in arrived), None) if len(sent) > len(arrived) else None
        if lost is not None:
            raise DiffersError(f"{path} has the key {str(lost)[:_LONGEST]!r}, which its type does not know")
        _claim(len(sent) == len(arrived), dict, path)
        for (key, item), (other_key, other) in zip(sent.items(), arrived.items(), strict=True):
            self.look(key, other_key, path)
            self.look(item, other, f"{path}[{str(key)[:_LONGEST]!r}]")

    def _series(self, sent: Iterable[Any], arrived: Iterable[Any], path: str) -> None:
        there, here = [*sent], [*arrived]
        _claim(len(there) == len(here), list, path)
        for number, (item, other) in enumerate(zip(there, here, strict=True)):
            self.look(item, other, f"{path}[{number}]")

    def _set(self, sent: Iterable[Any], arrived: Iterable[Any], path: str) -> None:
        here = {item: item for item in arrived}
        there = {*sent}
        if there and all(type(item) in _WIRE for item in there) and not any(type(item) in _WIRE for item in here):
            return  # in their plain form
        _claim(len(there) == len(here) and all(item in here for item in there), set, path)
        for item in there:
            self.look(item, here[item], path)

    def _instance(self, sent: object, arrived: object, path: str) -> None:
        """Two of one class that is not one of Python's own."""
        parts = models.parts(sent)
        if parts is not None:
            self._parts(parts, models.parts(arrived) or {}, path)
        elif (names := field_names(type(sent))) is not None:
            self._parts(_attributes(sent, names), _attributes(arrived, names), path)
        elif isinstance(sent, Enum) or (base := base_of(sent, _NOTHING)) is _NOTHING:
            self._opaque(sent, arrived, path)
        else:
            self.look(base, base_of(arrived), path)

    def _opaque(self, sent: Any, arrived: Any, path: str) -> None:
        kind = sent.__class__
        _claim(_equal(sent, arrived), kind, path)
        if kind is deque or models.is_kind(kind):  # whose `==` may overlook a zone
            _claim(getattr(sent, "maxlen", None) == getattr(arrived, "maxlen", None), kind, path)
            self.look(plainly(sent), plainly(arrived), path)

    def _parts(self, sent: Mapping[str, Any], arrived: Mapping[str, Any], path: str) -> None:
        for name in {**sent, **arrived}:
            self.look(sent.get(name, _NOTHING), arrived.get(name, _NOTHING), f"{path}.{name}")

    def _other_kind(self, sent: object, arrived: object, path: str) -> None:
        kind, other = type(sent), type(arrived)
        if (kind, other) in self._rivals:
            raise DiffersError(
                f"{path} is a {kind.__name__}, which would arrive as a {other.__name__}: its annotation offers both, "
                "and nothing tells them apart once it is sent. Annotate it with one of them"
            )
        base: object = base_of(sent, _NOTHING)
        if base is not _NOTHING and type(base) is not kind:
            self.look(base, arrived, path)
        elif kind in _SERIES and (other in _SERIES or other is deque):
            self._other_series(sent, arrived, path)
        elif kind is dict and issubclass(other, dict):
            self._mapping(_any(sent), base_of(arrived), path)
        elif kind in _WIRE or kind is tuple:
            self._made(sent, arrived, path)
        elif self._plain and kind not in EXACT and (other in EXACT or other in _WIRE):
            self.look(plainly(sent, whole=True), arrived, path)
        else:
            raise DiffersError(
                f"{path} is a {kind.__name__}, which would arrive as a {other.__name__}: annotate it with its type, "
                "or send it as plain data"
            )

    def _other_series(self, sent: Any, arrived: Any, path: str) -> None:
        if arrived.__class__ in _SETS:
            self._set(sent, arrived, path)
        elif arrived.__class__ is list and not self._exact:
            raise DiffersError(f"{path} is a {type(sent).__name__} and would arrive as a list")
        else:
            self._series(sent, arrived, path)

    def _made(self, sent: object, arrived: object, path: str) -> None:
        """Out of a plain form: whatever the annotation makes of it, if nothing of it is left out."""
        if isinstance(arrived, bytearray | memoryview):
            _claim(base_of(arrived) == sent, bytes, path)
        elif type(arrived) in _WIRE or sent is None:
            _claim(_equal(sent, arrived), type(sent), path)
        elif isinstance(arrived, tuple):
            self._filled(sent, [*base_of(arrived)], path)
        elif isinstance(sent, dict | list | tuple) and field_names(type(arrived)) is not None:
            self._filled(sent, plainly(arrived), path)

    def _filled(self, sent: Any, arrived: dict[Any, Any] | list[Any], path: str) -> None:
        """The fields of a class; those that were not given have their defaults."""
        if isinstance(arrived, dict):
            self._mapping(sent, {key: arrived[key] for key in sent if key in arrived}, path)
        else:
            self._series(sent, list[Any](arrived)[: len(sent)], path)


def agree(one: Any, other: Any) -> bool:
    """Whether two values that have both arrived are the same."""
    try:
        Comparison(set(), exact=False, plain=False).look(one, other, "$")
    except Exception:  # noqa: BLE001 - a comparison of theirs may do anything
        return False
    return True


def _claim(alike: bool, kind: type, path: str) -> None:
    if not alike:
        raise DiffersError(f"{path} would arrive as another {kind.__name__}")


def _any(value: object) -> Any:
    return value


def _equal(sent: object, arrived: object) -> bool:
    return (sent == arrived) is True


def _attributes(value: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _same_float(sent: float, arrived: float) -> bool:
    return sent == arrived or (sent != sent and arrived != arrived)  # noqa: PLR0124 - nan


def _same_decimal(sent: Decimal, arrived: Decimal) -> bool:
    return sent.as_tuple() == arrived.as_tuple()  # a signalling NaN refuses to be compared


def _same_time(sent: Any, arrived: Any) -> bool:
    """The wall clock, the offset and the name of the zone; a zone without a name is its offset."""
    if sent.tzinfo is arrived.tzinfo:
        return bool(sent == arrived) and sent.fold == arrived.fold
    name, other = _zone(sent.tzinfo), _zone(arrived.tzinfo)
    walls = sent.replace(tzinfo=None) == arrived.replace(tzinfo=None) and sent.fold == arrived.fold
    return bool(walls and name == other and sent.utcoffset() == arrived.utcoffset())


def _zone(tz: Any) -> Any:
    return tz.key or _NOTHING if is_zone_info(tz) else tz is not None


_ALIKE: dict[type, Callable[[Any, Any], bool]] = {
    **dict.fromkeys((NoneType, bool, int, str, bytes, bytearray, date, timedelta, UUID), operator.eq),
    float: _same_float,
    Decimal: _same_decimal,
    datetime: _same_time,
    time: _same_time,
}
