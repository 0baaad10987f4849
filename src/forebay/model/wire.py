"""The bytes of a value: MessagePack, with extension types for what Python has beside it. Pure; knows no annotation.

A value of Python's own types comes back equal and of the same type: tuples, sets, dates with their zones, decimals.
What MessagePack has itself is written plainly, so that other languages and older messages read the same bytes.
"""

import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import msgspec
from msgspec.msgpack import Ext

from forebay.model.zone import zone

_pack = msgspec.msgpack.Encoder().encode
#: What MessagePack has itself, and what may be a key of its maps.
_NATIVE = frozenset({type(None), bool, int, float, str, bytes})
_MICROSECOND = timedelta(microseconds=1)


def exactly(value: object, plainly: Callable[[Any], Any]) -> Any:
    """`value` with an extension type wherever MessagePack alone would change it.

    Args:
        plainly: makes Python's own types of what is none of them, one level deep; raises TypeError for the rest.
    """
    kind = type(value)
    if kind in _NATIVE or kind is Ext:
        return value
    if kind is list:
        return _series(value, plainly)
    if kind is dict:
        return _mapping(value, plainly)
    if (form := _FORMS.get(kind)) is not None:
        code, parts = form
        return Ext(code, _pack(exactly(parts(value), plainly)))
    return exactly(plainly(value), plainly)


def _series(value: Any, plainly: Callable[[Any], Any]) -> list[Any]:
    return [exactly(item, plainly) for item in value]


def _mapping(value: Any, plainly: Callable[[Any], Any]) -> Any:
    pairs = [(key, exactly(item, plainly)) for key, item in value.items()]
    if all(type(key) in _NATIVE for key, _ in pairs):
        return dict(pairs)
    return Ext(_MAP, _pack([[exactly(key, plainly), item] for key, item in pairs]))


def unpack(blob: bytes) -> Any:
    """A value from its bytes.

    Raises:
        msgspec.MsgspecError, ValueError, TypeError, RecursionError: they are no MessagePack, or hold what no value has.
    """
    return _unpack(blob)


def extension(code: int, data: memoryview) -> Any:
    """What an extension type stands for; one that is not ours stays what it is. For `ext_hook` of a decoder."""
    read = _READERS.get(code)
    if read is None:
        return Ext(code, bytes(data))
    try:
        return read(_unpack(data))
    except (ArithmeticError, LookupError, AttributeError, OSError) as error:
        raise ValueError(f"no value of this kind: {type(error).__name__}: {error}") from error


_unpack: Callable[[Any], Any] = msgspec.msgpack.Decoder(ext_hook=extension).decode


def is_zone_info(tz: object) -> bool:
    """Whether it is a zone of the IANA database; nobody has one who has not imported where it comes from."""
    zones = sys.modules.get("zoneinfo")
    return zones is not None and isinstance(tz, getattr(zones, "ZoneInfo", ()))


def _zone(tz: Any, offset: timedelta | None) -> Any:
    """A zone of the IANA database by its name, any other by its offset in microseconds."""
    if is_zone_info(tz) and tz.key:
        return tz.key
    return None if offset is None else offset // _MICROSECOND


def _zone_from(form: Any) -> Any:
    if form is None:
        return None
    if isinstance(form, str):
        return zone(form)
    return UTC if form == 0 else timezone(timedelta(microseconds=form))


def _of_datetime(value: datetime) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value.tzinfo, value.utcoffset())]


def _to_datetime(form: list[Any]) -> datetime:
    return datetime.fromisoformat(form[0]).replace(fold=form[1], tzinfo=_zone_from(form[2]))


def _of_time(value: time) -> list[Any]:
    return [value.replace(tzinfo=None, fold=0).isoformat(), value.fold, _zone(value.tzinfo, value.utcoffset())]


def _to_time(form: list[Any]) -> time:
    return time.fromisoformat(form[0]).replace(fold=form[1], tzinfo=_zone_from(form[2]))


def _of_timedelta(value: timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


def _of_path(value: Path) -> str:
    return str(value)


def _to_map(form: list[list[Any]]) -> dict[Any, Any]:
    return {key: value for key, value in form}  # noqa: C416 - not dict(form), which would take texts of two letters


_MAP = 4
#: code: the type, its parts in MessagePack, and the way back. The codes are on the wire: none is ever used again.
_TYPES: dict[int, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    1: (tuple, list, tuple),
    2: (set, list, set),
    3: (frozenset, list, frozenset),
    5: (datetime, _of_datetime, _to_datetime),
    6: (date, date.isoformat, date.fromisoformat),
    7: (time, _of_time, _to_time),
    8: (timedelta, _of_timedelta, lambda form: timedelta(*form)),
    9: (Decimal, str, Decimal),
    10: (UUID, lambda value: value.bytes, lambda form: UUID(bytes=form)),
    11: (type(Path()), _of_path, Path),
}
_FORMS = {kind: (code, parts) for code, (kind, parts, _) in _TYPES.items()}
#: Types that have an extension type, so that their values arrive as what they are, whatever the annotation.
EXACT = frozenset(_FORMS)
_READERS = {code: read for code, (_, _, read) in _TYPES.items()} | {_MAP: cast("Callable[[Any], Any]", _to_map)}
