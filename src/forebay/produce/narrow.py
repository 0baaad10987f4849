"""A result as its annotation promises it: an instance of a subclass as its annotated base, a dict without unknown keys.

For results alone, whose work is done: what an annotation does not know is left out rather than the result refused.
Arguments are strict. What was narrowed is plain data that the annotation's decoder takes, all else stays as it is, and
is judged as it is: nothing is checked here.
"""

import dataclasses
import typing
from collections import abc, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from types import UnionType
from typing import Any

import msgspec

from forebay.produce import models
from forebay.produce.kinds import unwrapped
from forebay.produce.records import record_of

#: What has a subclass that Python itself has, and how to take that one for it.
_BASES: dict[Any, Callable[[Any], Any]] = {
    int: int.__int__,
    date: lambda value: date(value.year, value.month, value.day),
}


def narrowed(value: Any, annotation: Any) -> Any:
    """`value` without what `annotation` does not know."""
    annotation = _plain(annotation)
    origin: Any = typing.get_origin(annotation) or annotation
    arguments = typing.get_args(annotation)
    if origin is typing.Union or origin is UnionType:
        return narrowed(value, _nearest(value, arguments))
    if origin in (Any, object) or not _is(origin, type):
        return value
    if origin in _BASES and _is(value, origin) and type(value) is not origin:
        return _BASES[origin](value)
    if _is(value, Mapping) and _below(origin, abc.Mapping) and not typing.is_typeddict(origin):
        kind = arguments[1] if len(arguments) > 1 else Any
        held: dict[Any, Any] = dict(value)
        return _kept(value, held, {key: narrowed(item, kind) for key, item in held.items()})
    if _is(value, (list, tuple, deque)) and _below(origin, abc.Iterable) and not hasattr(origin, "_fields"):
        return _series(value, origin, arguments)
    return _record(value, origin)


def _is(value: object, kind: Any) -> bool:
    """As `isinstance`, where nothing is to be concluded of a type that is known at run time only."""
    return isinstance(value, kind)


def _below(kind: Any, base: Any) -> bool:
    """As `issubclass`, likewise."""
    return issubclass(kind, base)


def _plain(annotation: Any) -> Any:
    while True:
        inner = unwrapped(annotation)
        if typing.get_origin(inner) is typing.Annotated:
            inner = typing.get_args(inner)[0]
        if inner is annotation:
            return annotation
        annotation = inner


def _nearest(value: Any, arguments: Sequence[Any]) -> Any:
    """Of a union, the class that is nearest to that of `value`; `Any` if there is none."""
    kinds = [_plain(argument) for argument in arguments]
    classes = {typing.get_origin(kind) or kind: kind for kind in kinds}
    for base in type(value).__mro__:
        if base in classes:
            return classes[base]
    fits = (kind for kind in kinds if typing.is_typeddict(kind) and kind.__required_keys__ <= set(value))
    return next(fits, Any) if _is(value, dict) else Any


def _series(value: Any, origin: Any, arguments: Sequence[Any]) -> Any:
    fixed = origin is tuple and Ellipsis not in arguments and len(arguments) == len(value)
    kinds = arguments if fixed else [arguments[0] if arguments else Any] * len(value)
    items = [narrowed(item, kind) for item, kind in zip(value, kinds, strict=True)]
    return value if all(one is other for one, other in zip(value, items, strict=True)) else type(value)(items)


def _kept(value: Any, before: Mapping[Any, Any], after: Mapping[Any, Any]) -> Any:
    """`value` itself if nothing in it has changed: what cannot be narrowed is judged as it is."""
    alike = len(before) == len(after) and all(after[key] is item for key, item in before.items())
    return value if alike else after


def _record(value: Any, origin: Any) -> Any:
    """The fields that `origin` has, in the form that it is made from."""
    record = record_of(origin)
    hints: Mapping[str, Any] = {} if record is None else record.fields
    if _is(value, dict) and (hints or typing.is_typeddict(origin)):
        held, known = dict[Any, Any](value), _known(origin, hints)
        return _kept(value, held, {key: narrowed(item, known[key]) for key, item in held.items() if key in known})
    if typing.is_typeddict(origin) or not _is(value, origin):
        return value
    if models.is_kind(origin) and not models.is_dataclass(origin):
        names = _model_fields(value, origin)
    elif _below(origin, msgspec.Struct) or dataclasses.is_dataclass(origin):
        names = {name: hints[name] for name in _own(origin) if hasattr(value, name)}
    else:
        return value
    before = {name: getattr(value, name) for name in names}
    after = {name: narrowed(before[name], kind) for name, kind in names.items()}
    if type(value) is origin and _kept(value, before, after) is value:
        return value
    return _written(origin, after) if _below(origin, msgspec.Struct) else {**_extra(value, origin), **after}


def _known(origin: Any, hints: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the plain form of a class, with their annotations."""
    if not _below(origin, msgspec.Struct):
        return dict(hints)
    tag = origin.__struct_config__.tag_field
    return {**({} if tag is None else {tag: Any}), **{wire: hints[name] for name, wire in _names(origin)}}


def _own(origin: Any) -> list[str]:
    if _below(origin, msgspec.Struct):
        return [*origin.__struct_fields__]
    fields = dataclasses.fields(origin)
    return [field.name for field in fields if field.init]


def _model_fields(value: Any, origin: Any) -> dict[str, Any]:
    """Those of a pydantic model that somebody set."""
    fields: dict[str, Any] = getattr(origin, "model_fields", {})
    chosen = getattr(value, "model_fields_set", ())
    return {name: field.annotation for name, field in fields.items() if name in chosen}


def _extra(value: Any, origin: Any) -> dict[str, Any]:
    open_ = getattr(origin, "model_config", {}).get("extra") == "allow"
    return dict(value.__pydantic_extra__ or {}) if open_ else {}


def _written(origin: Any, items: Mapping[str, Any]) -> Any:
    """The plain form of a Struct, as its decoder reads it."""
    config = origin.__struct_config__
    if config.array_like:
        return [*([] if config.tag is None else [config.tag]), *items.values()]
    named = {wire: items[name] for name, wire in _names(origin) if items[name] is not msgspec.UNSET}
    return named if config.tag_field is None else {config.tag_field: config.tag, **named}


def _names(origin: Any) -> Iterator[tuple[str, str]]:
    return zip(origin.__struct_fields__, origin.__struct_encode_fields__, strict=True)
