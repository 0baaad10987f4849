"""Classes with fields: Structs, dataclasses, TypedDicts, NamedTuples, those of attrs; what is in them by annotation."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A class with fields.

    Attributes:
        fields: annotation by name.
        foreign: pydantic may check it.
        equal: `==` compares field by field.
        hooked: code of its own has a say when it is made.
    """

    fields: Mapping[str, Any]
    foreign: bool = False
    equal: bool = True
    hooked: bool = False


def field_names(kind: type[object]) -> tuple[str, ...] | None:
    """The names of the attributes that are the fields of a Struct, a dataclass or a class of attrs; None for others."""
    if issubclass(kind, msgspec.Struct):
        return kind.__struct_fields__
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    attributes = getattr(kind, "__attrs_attrs__", None)
    return None if attributes is None else tuple(attribute.name for attribute in attributes)


def record_of(kind: object) -> Record | None:
    """What is known of a class with fields; None for what is none.

    Raises:
        TypeError: its instances cannot be made again.
    """
    if not isinstance(kind, type):
        return None
    return _of_class(kind)


def _of_class(kind: type[object]) -> Record | None:
    if typing.is_typeddict(kind):
        return Record(fields=_hints(kind), foreign=True)
    names = getattr(kind, "_fields", None) if tuple in kind.__mro__ else None
    if names is not None:
        return Record(fields=_only(kind, names), foreign=True)
    names = field_names(kind)
    return None if names is None else _with_attributes(kind, _only(kind, names))


def _with_attributes(kind: type[object], fields: dict[str, Any]) -> Record:
    hooked = hasattr(kind, "__post_init__")
    if issubclass(kind, msgspec.Struct):
        equal = bool(kind.__struct_config__.eq) and kind.__eq__ is msgspec.Struct.__eq__
        return Record(fields=fields, equal=equal, hooked=hooked)
    if not dataclasses.is_dataclass(kind):
        return Record(fields=fields, equal=False, hooked=True)
    if any(isinstance(hint, dataclasses.InitVar) for hint in _hints(kind).values()):
        raise TypeError(f"{kind} has an InitVar, which it does not keep, so it cannot be made again")
    return Record(fields=fields, foreign=True, equal=False, hooked=hooked)


def _only(kind: type[object], names: tuple[str, ...]) -> dict[str, Any]:
    hints = _hints(kind)
    return {name: hints.get(name, Any) for name in names}


def _hints(kind: type[object]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, include_extras=True)
    except Exception as error:
        raise TypeError(f"the annotations of {kind.__qualname__} cannot be resolved: {error}") from error
